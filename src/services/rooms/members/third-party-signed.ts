import { isUserId, type UserId } from '#core/ids.ts'
import { type JsonObject, member } from '#core/json/value.ts'
import { forbidden } from '#core/matrix-error.ts'
import type { RoomDraft } from '#services/rooms/queue/room-draft.ts'

/** Which invite a proof redeems: whoever made it, and the state key of its `m.room.third_party_invite`. */
export type RedeemedInvite = { readonly inviter: UserId; readonly token: string }

/**
 * Reads the proof of a user who owns an invited third-party identifier. Nothing is known of its signature yet.
 *
 * @throws M_FORBIDDEN where the proof is somebody else's, or names no invite
 */
export function readThirdPartySigned(userId: UserId, signed: JsonObject): RedeemedInvite {
  const inviter = member(signed, 'sender')
  const token = member(signed, 'token')
  if (member(signed, 'mxid') !== userId) throw forbidden('The third-party signature is for another user')
  if (typeof inviter !== 'string' || !isUserId(inviter) || typeof token !== 'string') {
    throw forbidden('The third-party signature names no invite')
  }
  return { inviter, token }
}

/**
 * Turns the invite of a third-party identifier into one of the user who proves to own it: "the homeserver must verify
 * that it matches a pending `m.room.third_party_invite` event in the room". The rules check the signature. The inviter
 * may be of another server: "the sender must already match the 3rd party invite, and the server which actually sends
 * the event may be a different server".
 *
 * @throws M_FORBIDDEN where the proof is somebody else's, or matches nothing
 */
export async function sendThirdPartyInvite(draft: RoomDraft, userId: UserId, signed: JsonObject): Promise<void> {
  const { inviter, token } = readThirdPartySigned(userId, signed)
  const offered = await draft.state('m.room.third_party_invite', token)
  const displayName = offered === null ? undefined : member(offered.content, 'display_name')
  const content = {
    membership: 'invite',
    third_party_invite: { display_name: typeof displayName === 'string' ? displayName : '', signed },
  }
  await draft.send({ type: 'm.room.member', stateKey: userId, sender: inviter, content })
}
