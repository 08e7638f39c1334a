import type { UserId } from '#core/ids.ts'
import type { ReadTx } from '#store/store.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

/** Whose device lists a client has to fetch again, and whose it can forget. */
export type DeviceListChanges = { readonly changed: readonly UserId[]; readonly left: readonly UserId[] }

/** Positions that are looked through one by one. For more of them, each of the user's rooms is asked what changed. */
export const LOGGED_POSITIONS_MAX = 5_000
/** For more users than these, all that a user shares rooms with are read at once. */
const SOME_USERS_MAX = 1_000

/** Positions: what happened after `from`, as it is at `to`, the position of the snapshot. */
type Span = { readonly user: UserNid; readonly from: number; readonly to: number }

/**
 * What happened to the device lists that the user's clients keep (client-server API, "Tracking the device list for a
 * user"): of everybody with whom the user shares a room, and of the user.
 *
 * - changed: who shares a room now, and has other devices or keys than before, or shared none for a while, "or who now
 *   share an encrypted room with the client since the previous sync response";
 * - left: who shared a room at `from` and doesn't any more.
 *
 * Recipients of a change aren't stored: they are found here, from when the memberships began.
 */
export async function deviceListChanges(
  tx: ReadTx,
  span: Span,
  loggedPositionsMax = LOGGED_POSITIONS_MAX,
): Promise<DeviceListChanges> {
  const { user, from, to } = span
  const { came, went } = await movements(tx, span, loggedPositionsMax)
  const touched = (await tx.devices.listChanges(from, to)).map(({ userNid }) => userNid)
  const others = new Set([...touched, ...came, ...went]).difference(new Set([user]))
  const sharing = await sharingNow(tx, user, others)
  const candidates = [...came].filter((other) => sharing.has(other))
  // Who was never out of sight has told of each change.
  const neverAway = new Set(await tx.sharing.withUserSince(user, candidates, from))
  const newlyEncrypted = new Set(await tx.sharing.newlyEncryptedWithUser(user, candidates, from))
  const changed = new Set([
    ...touched.filter((other) => other === user || sharing.has(other)),
    ...candidates.filter((other) => !neverAway.has(other) || newlyEncrypted.has(other)),
    ...(await tx.keySignatures.changedTargets(user, from, to)),
  ])
  const left = [...went].filter((other) => !sharing.has(other))
  const ids = await tx.users.userIds([...changed, ...left])
  const named = (users: Iterable<UserNid>) => [...users].flatMap((nid) => ids.get(nid) ?? [])
  return { changed: named(changed), left: named(left) }
}

/** Everybody whose device list the user's clients may keep, for those that know nothing that can be relied on. */
export async function allDeviceLists(tx: ReadTx, user: UserNid): Promise<UserId[]> {
  const users = [user, ...(await tx.memberships.sharingRoomsWith(user))]
  return [...(await tx.users.userIds(users)).values()]
}

/** Who came into one of the user's rooms, or is in one that became encrypted, and who went from one, or would seem to as the user did. */
async function movements(tx: ReadTx, span: Span, loggedPositionsMax: number) {
  const { user, from, to } = span
  const came = new Set<UserNid>()
  const went = new Set<UserNid>()
  const own = new Map<RoomNid, { before: boolean; now: boolean }>()
  for (const { roomNid, membership, since } of await tx.memberships.ofUserBetween(user, from, to)) {
    if (since <= from) continue
    const before = (await tx.memberships.at(user, roomNid, from))?.membership === 'join'
    own.set(roomNid, { before, now: membership === 'join' })
  }
  for (const [room, { before, now }] of own) {
    if (now) for (const { userNid } of await tx.memberships.ofRoom(room, ['join'])) came.add(userNid)
    if (before) for (const userNid of await tx.sharing.joinedAt(room, from)) went.add(userNid)
  }
  const moved =
    to - from > loggedPositionsMax
      ? await tx.sharing.newMemberships(user, from)
      : await tx.sharing.loggedMemberships(from, to)
  // All who are in a room that became encrypted share an encrypted room newly, though nobody moved.
  const logEnd = to - from > loggedPositionsMax ? null : to
  for (const room of await tx.sharing.encryptedSince(user, from, logEnd)) {
    for (const { userNid } of await tx.memberships.ofRoom(room, ['join'])) came.add(userNid)
  }
  const joined = moved.length === 0 ? [] : await tx.memberships.ofUser(user, ['join'])
  const stayed = new Set(joined.map(({ roomNid }) => roomNid))
  for (const [room, movers] of Map.groupBy(moved, ({ roomNid }) => roomNid)) {
    // Of a room that the user came into or went from, everybody has been counted.
    if (own.has(room) || !stayed.has(room)) continue
    const others = movers.map(({ userNid }) => userNid).filter((other) => other !== user)
    for (const other of others) came.add(other)
    for (const other of await tx.sharing.joinedAt(room, from, others)) went.add(other)
  }
  came.delete(user)
  went.delete(user)
  return { came, went }
}

async function sharingNow(tx: ReadTx, user: UserNid, others: ReadonlySet<UserNid>): Promise<ReadonlySet<UserNid>> {
  if (others.size <= SOME_USERS_MAX) return new Set(await tx.sharing.withUser(user, [...others]))
  return new Set(await tx.memberships.sharingRoomsWith(user)).intersection(others)
}
