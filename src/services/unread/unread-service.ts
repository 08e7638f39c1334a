import { LRUCache } from 'lru-cache'
import { compiledRulesOf } from '#services/push-rules/stored-push-rules.ts'
import { type Notification, scanForNotifications, type UnreadUser } from '#services/unread/notification-scan.ts'
import type { ReadTx } from '#store/store.ts'
import type { EventNid } from '#store/types/events.ts'
import type { ReceiptRow } from '#store/types/receipts.ts'
import type { RoomNid } from '#store/types/rooms.ts'

export type Count = { readonly notifications: number; readonly highlights: number }

export type UnreadCounts = {
  /** The main timeline. */
  readonly main: Count
  /** By thread root; threads without unread notifications are absent. */
  readonly threads: ReadonlyMap<string, Count>
  /** At this log position or before it they last changed: who knows the counts of a later one knows these. */
  readonly changedAt: number
}

/** What one user has not read in one room, as far as `position`. */
type Unread = {
  /** Position of the snapshot that this was last brought up to. */
  position: number
  /** Everything up to this rank has been evaluated. */
  rank: number
  /** Position of the snapshot in which they were first seen as they are. */
  changedAt: number
  /** When the user's present membership began: a leave in between starts over. */
  since: number
  readonly notifications: Map<EventNid, Notification>
}

/** How much is remembered of all users and rooms together, in notifications. */
const REMEMBERED_NOTIFICATIONS_MAX = 1_000_000

/**
 * Unread counts by the push rules (client-server API, "Receiving notifications"). A follower of the log on demand: a
 * user's count in a room is brought up to the snapshot when it is asked for, from where it was left, and counted anew
 * from the last receipt where nothing is remembered. So a message costs nothing for members who aren't there, and
 * nothing is stored.
 */
export class UnreadService {
  readonly #remembered = new LRUCache<string, Unread>({
    maxSize: REMEMBERED_NOTIFICATIONS_MAX,
    sizeCalculation: (unread) => 1 + unread.notifications.size,
  })

  /** The counts of a room that the user is joined to, as of log position `position`, that of the snapshot `tx`. */
  async counts(tx: ReadTx, user: UnreadUser, room: RoomNid, position: number): Promise<UnreadCounts> {
    const membership = await tx.memberships.one(user.userNid, room)
    if (membership?.membership !== 'join') return { main: NONE, threads: new Map(), changedAt: position }
    const receipts = await tx.receipts.ofUser(room, user.userNid)
    const unread = await this.#broughtUpTo(tx, user, room, position, membership.since, receipts)
    return { ...count(unread.notifications.values()), changedAt: unread.changedAt }
  }

  async #broughtUpTo(
    tx: ReadTx,
    user: UnreadUser,
    room: RoomNid,
    position: number,
    since: number,
    receipts: readonly ReceiptRow[],
  ): Promise<Unread> {
    const key = `${user.userNid} ${room}`
    const known = this.#remembered.get(key)
    const goesOn = known !== undefined && known.since === since && known.position <= position
    const unread: Unread = goesOn
      ? { ...known, notifications: new Map(known.notifications) }
      : {
          position: 0,
          changedAt: position,
          rank: Math.max(await tx.events.rankAt(room, since), unthreadedRank(receipts)),
          since,
          notifications: new Map(),
        }
    if (unread.position < position) {
      const rules = await compiledRulesOf(tx, user.userNid, user.userId)
      const scan = await scanForNotifications(tx, {
        user,
        room,
        rules,
        afterRank: unread.rank,
        untilPosition: position,
      })
      for (const notification of scan.notifications) unread.notifications.set(notification.nid, notification)
      for (const nid of scan.withdrawn) unread.notifications.delete(nid)
      for (const own of scan.ownEvents) markRead(unread.notifications, own.thread, own.rank)
      unread.rank = Math.max(unread.rank, scan.rank)
      unread.position = position
    }
    for (const receipt of receipts) markRead(unread.notifications, receipt.threadId, receipt.rank)
    if (goesOn && !hasSameKeys(known.notifications, unread.notifications)) unread.changedAt = position
    // A request on an older snapshot doesn't set back what a newer one has learned.
    if (known === undefined || known.position <= position) this.#remembered.set(key, unread)
    return unread
  }
}

const NONE: Count = { notifications: 0, highlights: 0 }
/** How receipts and counts name the timeline outside of threads. */
export const MAIN_THREAD = 'main'

function hasSameKeys<K>(a: ReadonlyMap<K, unknown>, b: ReadonlyMap<K, unknown>): boolean {
  return a.size === b.size && a.keys().every((key) => b.has(key))
}

function unthreadedRank(receipts: readonly ReceiptRow[]): number {
  return Math.max(0, ...receipts.filter((receipt) => receipt.threadId === null).map((receipt) => receipt.rank))
}

/** "Notifications prior to and including that event MUST be marked as read", in its thread, or in all by an unthreaded one. */
function markRead(notifications: Map<EventNid, Notification>, thread: string | null, rank: number): void {
  for (const [nid, notification] of notifications) {
    if (notification.rank <= rank && (thread === null || thread === notification.thread)) notifications.delete(nid)
  }
}

function count(notifications: Iterable<Notification>): Omit<UnreadCounts, 'changedAt'> {
  const threads = new Map<string, { notifications: number; highlights: number }>()
  for (const { thread, highlight } of notifications) {
    const counted = threads.get(thread) ?? { notifications: 0, highlights: 0 }
    counted.notifications += 1
    if (highlight) counted.highlights += 1
    threads.set(thread, counted)
  }
  const main = threads.get(MAIN_THREAD) ?? NONE
  threads.delete(MAIN_THREAD)
  return { main, threads }
}
