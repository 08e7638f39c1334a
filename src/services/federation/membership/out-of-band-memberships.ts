/** Memberships of local users in rooms that this server has no current copy of. */
import type { Event } from '#core/event/event.ts'
import type { RoomId, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { membershipOf } from '#services/rooms/members/member-content.ts'
import { LACKS_AUTH_EVENTS } from '#services/rooms/pipeline/received-events.ts'
import type { Tx } from '#store/store.ts'
import type { RoomNid, RoomRow } from '#store/types/rooms.ts'

/**
 * Writes an invite, knock or leave of a local user that stands outside of the room's graph as far as this server has
 * it. Nothing happens where it stands there already, or where the room has come here meanwhile and says how the user
 * stands to it.
 *
 * @throws M_INVALID_PARAM where the room is known to be of another version
 */
export async function putOutOfBandMembership(tx: Tx, event: Event, stripped: readonly JsonObject[]): Promise<RoomNid> {
  const membership = membershipOf(event)
  if (membership === null || event.stateKey === null) throw new TypeError('Not a member event')
  const room = await outOfBandRoom(tx, event.roomId, event.rules.version)
  // Until it is offered again with its auth events, which are mostly not here.
  const outlier = { event, verdict: 'rejected', reason: LACKS_AUTH_EVENTS } as const
  const [eventNid] = await tx.events.addOutliers(room, [outlier])
  if (eventNid === undefined) throw new Error('The outlier has no number')
  const user = await tx.users.intern(event.stateKey as UserId)
  const current = await tx.memberships.one(user, room)
  const isResident = (await tx.rooms.byNid(room))?.isResident === true
  const isByRoom = isResident && current !== null && (await tx.memberships.stripped(user, room)) === null
  if (!isByRoom && current?.eventNid !== eventNid) {
    const own = { type: event.type, state_key: event.stateKey, sender: event.sender, content: event.content }
    await tx.memberships.setOutOfBand({ user, room, membership, eventNid, stripped: [...stripped, own] })
  }
  return room
}

/**
 * The number of a room that this server isn't in, made where there is none.
 *
 * @throws M_INVALID_PARAM where the room is known to be of another version
 */
export async function outOfBandRoom(tx: Tx, roomId: RoomId, version: string): Promise<RoomNid> {
  const room = await tx.rooms.byId(roomId)
  if (room === null) return tx.rooms.create(roomId, version)
  if (room.version === version) return room.nid
  if (!hasNoTimeline(room)) throw new MatrixError('M_INVALID_PARAM', 'The room is of another version')
  // What an earlier invite claimed was wrong.
  await tx.rooms.setVersion(room.nid, version)
  return room.nid
}

/** Whether nothing but outside memberships is known of the room. */
function hasNoTimeline(room: RoomRow): boolean {
  return room.headSeq === 0
}
