import { isUserId, serverOf, type UserId } from '#core/ids.ts'
import { type JsonObject, member } from '#core/json/value.ts'
import { forbidden } from '#core/matrix-error.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import type { RoomDraft } from '#services/rooms/room-draft.ts'

/**
 * Turns the invite of a third-party identifier into one of the user who proves to own it: "the homeserver must verify
 * that it matches a pending `m.room.third_party_invite` event in the room". The rules check the signature.
 *
 * @throws M_FORBIDDEN where the proof is somebody else's, or matches nothing
 */
export async function sendThirdPartyInvite(
  context: RoomContext,
  draft: RoomDraft,
  userId: UserId,
  signed: JsonObject,
): Promise<void> {
  const inviter = member(signed, 'sender')
  const token = member(signed, 'token')
  if (member(signed, 'mxid') !== userId) throw forbidden('The third-party signature is for another user')
  if (typeof inviter !== 'string' || !isUserId(inviter) || typeof token !== 'string') {
    throw forbidden('The third-party signature names no invite')
  }
  // The invite is its inviter's event, which only their server can sign.
  if (serverOf(inviter) !== context.serverName) throw forbidden('The inviter is on another server')
  const offered = await draft.state('m.room.third_party_invite', token)
  const displayName = offered === null ? undefined : member(offered.content, 'display_name')
  const content = {
    membership: 'invite',
    third_party_invite: { display_name: typeof displayName === 'string' ? displayName : '', signed },
  }
  await draft.send({ type: 'm.room.member', stateKey: userId, sender: inviter, content })
}
