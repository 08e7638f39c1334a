import { type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { member } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { membershipOf } from '#services/rooms/members/member-content.ts'
import type { RoomDraft } from '#services/rooms/queue/room-draft.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import type { ReadTx } from '#store/store.ts'

/**
 * "Servers MUST only allow guest users to join rooms if the `m.room.guest_access` state event is present on the room,
 * and has the `guest_access` value `can_join`."
 *
 * @throws M_GUEST_ACCESS_FORBIDDEN
 */
export async function checkGuestMayJoin(draft: RoomDraft): Promise<void> {
  if (await guestsMayJoin(draft)) return
  throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'Guests can not join this room')
}

async function guestsMayJoin(draft: RoomDraft): Promise<boolean> {
  const event = await draft.state('m.room.guest_access', '')
  return event !== null && member(event.content, 'guest_access') === 'can_join'
}

/**
 * "If the `m.room.guest_access` event is changed to stop this from being the case, the server MUST set those users'
 * `m.room.member` state to `leave`."
 */
export async function turnOutGuests(context: RoomContext, draft: RoomDraft): Promise<void> {
  if (await guestsMayJoin(draft)) return
  for (const userId of await guestsIn(context, draft)) {
    if (membershipOf(await draft.state('m.room.member', userId)) !== 'join') continue
    await draft.send({ type: 'm.room.member', stateKey: userId, sender: userId, content: { membership: 'leave' } })
  }
}

/** Guests of this server who are in the room, those who join in the draft included. */
function guestsIn(context: RoomContext, draft: RoomDraft): Promise<UserId[]> {
  return context.store.read(async (tx) => {
    const rows = await tx.memberships.ofRoom(draft.roomNid, ['join'])
    const joined = [...(await tx.users.userIds(rows.map((row) => row.userNid))).values()]
    const joining = draft.events.flatMap(({ event }) =>
      event.type === 'm.room.member' ? [event.stateKey as UserId] : [],
    )
    const guests: UserId[] = []
    for (const userId of new Set([...joined, ...joining])) {
      if (await isLocalGuest(tx, userId, context.serverName)) guests.push(userId)
    }
    return guests
  })
}

async function isLocalGuest(tx: ReadTx, userId: UserId, ours: ServerName): Promise<boolean> {
  if (serverOf(userId) !== ours) return false
  const nid = await tx.users.nid(userId)
  const account = nid === null ? null : await tx.accounts.get(nid)
  return account?.guest ?? false
}
