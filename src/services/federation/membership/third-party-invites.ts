/** Invites of third-party identifiers that users of other servers turned out to own. */
import { type RoomId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, member } from '#core/json/value.ts'
import { forbidden, invalidParam } from '#core/matrix-error.ts'
import type { OutgoingInvites } from '#services/federation/membership/outgoing-invites.ts'
import { checkResident } from '#services/federation/membership/resident-room.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'

/** The body of `exchange_third_party_invite`, "a partial `m.room.member` event". */
export type ThirdPartyExchange = {
  readonly origin: ServerName
  readonly pathRoomId: RoomId
  readonly type: string
  readonly roomId: RoomId
  readonly sender: UserId
  readonly invitee: UserId
  readonly content: JsonObject
}

type Deps = { readonly context: RoomContext; readonly invites: OutgoingInvites }

export class ThirdPartyInvites {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Invites the user in the name of whoever had invited the address, of this server or another. Whether the proof is
   * good and the inviter the right one, the room's rules say, by the `m.room.third_party_invite` event.
   *
   * @throws M_INVALID_PARAM, M_FORBIDDEN, M_NOT_FOUND for the room; what the invited user's server says to the invite
   */
  async exchange(exchange: ThirdPartyExchange): Promise<void> {
    const { origin, pathRoomId, type, roomId, sender, invitee, content } = exchange
    const { context, invites } = this.#deps
    if (roomId !== pathRoomId) throw invalidParam('room_id is not that of the path')
    if (type !== 'm.room.member' || member(content, 'membership') !== 'invite') throw invalidParam('This is no invite')
    const invite = member(content, 'third_party_invite')
    const signed = isJsonObject(invite) ? member(invite, 'signed') : undefined
    if (!isJsonObject(signed)) throw invalidParam('There is no third_party_invite')
    if (serverOf(invitee) !== origin) throw forbidden('The invited user is not of the server that asks')
    await context.store.read((tx) => checkResident(tx, roomId, origin))
    const displayName = await this.#displayName(roomId, member(signed, 'token'))
    await invites.invite({
      sender,
      roomId,
      target: invitee,
      content: { third_party_invite: { display_name: displayName, signed } },
    })
  }

  /** As the invite of the address had it, whatever the other server says. */
  #displayName(roomId: RoomId, token: JsonObject[string] | undefined): Promise<string> {
    return this.#deps.context.store.read(async (tx) => {
      const room = await tx.rooms.byId(roomId)
      const isText = typeof token === 'string'
      const nid = room && isText ? await tx.state.currentOne(room.nid, 'm.room.third_party_invite', token) : null
      const event = nid === null ? undefined : (await tx.events.byNids([nid])).get(nid)?.event
      if (event === undefined) throw forbidden('The room has no such third-party invite')
      const displayName = member(event.content, 'display_name')
      return typeof displayName === 'string' ? displayName : ''
    })
  }
}
