import type { LogBatch } from '#services/log/follower.ts'
import type { Following } from '#services/log/following.ts'
import type { LogFollowers } from '#services/log/log-followers.ts'
import type { Timers } from '#services/time/timers.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { LogEntry } from '#store/types/log.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

/** What a waiting request wants to hear of. */
export type Interest = { readonly userNid: UserNid; readonly rooms: ReadonlySet<RoomNid> }

type Waiter = Interest & { readonly wake: () => void }
type Deps = { readonly store: Store; readonly timers: Timers; readonly followers: LogFollowers }

/** How many log entries are looked through for one waiter; with more, it is woken. */
const ENTRIES_PER_LOOK_MAX = 1_000

/**
 * Wakes long polls. It follows the log for which rooms and users the new entries are about, and wakes those who wait for
 * them. A wake says only "look again".
 */
export class Notifier {
  readonly #deps: Deps
  readonly #byUser = new Map<UserNid, Set<Waiter>>()
  readonly #byRoom = new Map<RoomNid, Set<Waiter>>()
  readonly #following: Following
  /** Waiters have been told, or are being told, of everything up to here. */
  #told = 0

  constructor(deps: Deps) {
    this.#deps = deps
    this.#following = deps.followers.follow({
      name: 'sync',
      topics: ['event', 'receipt', 'account_data', 'profile', 'device_list', 'to_device', 'membership'],
      isNeeded: () => this.#byUser.size > 0,
      handle: (batch) => this.#tell(batch),
      // Without the log nobody can be told apart: all look for themselves, and meet the database's error there.
      failed: () => this.#wakeAll(),
    })
  }

  /**
   * Resolves when something that the interest covers happened after log position `after`, when `timeoutMs` is over, or
   * when the signal aborts, whichever is first. Never rejects.
   */
  async wait(interest: Interest, after: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const waiter: Waiter = { ...interest, wake: resolve }
    this.#add(waiter)
    const cancelTimer = this.#deps.timers.after(timeoutMs, resolve)
    signal.addEventListener('abort', () => resolve(), { once: true })
    try {
      // What was told between the caller's snapshot and now went past this waiter.
      const told = Math.max(this.#told, this.#following.position)
      if (told > after && (await this.#happened(interest, after, told))) return
      await promise
    } finally {
      cancelTimer()
      this.#remove(waiter)
    }
  }

  /** News of a room that no log entry tells of, such as typing. */
  wakeRoom(roomNid: RoomNid): void {
    for (const waiter of this.#byRoom.get(roomNid) ?? []) waiter.wake()
  }

  async close(): Promise<void> {
    this.#wakeAll()
    await this.#following.close()
  }

  #wakeAll(): void {
    for (const waiters of this.#byUser.values()) for (const waiter of waiters) waiter.wake()
  }

  async #tell({ upTo, entries }: LogBatch): Promise<null> {
    this.#told = upTo
    const users = usersWithOtherDevices(entries)
    const rooms = users.length === 0 ? [] : await this.#deps.store.read((tx) => roomsOf(tx, users))
    for (const entry of entries) {
      if (entry.userNid !== null) for (const waiter of this.#byUser.get(entry.userNid) ?? []) waiter.wake()
      if (entry.roomNid !== null && isForRoom(entry)) this.wakeRoom(entry.roomNid)
    }
    for (const room of rooms) this.wakeRoom(room)
    return null
  }

  async #happened(interest: Interest, from: number, to: number): Promise<boolean> {
    return this.#deps.store.read(async (tx) => {
      const entries = await tx.log.between(from, to, ENTRIES_PER_LOOK_MAX)
      if (entries.length === ENTRIES_PER_LOOK_MAX) return true
      const concerns = (entry: LogEntry) =>
        entry.userNid === interest.userNid ||
        (entry.roomNid !== null && isForRoom(entry) && interest.rooms.has(entry.roomNid))
      if (entries.some(concerns)) return true
      const users = usersWithOtherDevices(entries)
      return users.length > 0 && (await tx.sharing.withUser(interest.userNid, users)).length > 0
    })
  }

  #add(waiter: Waiter): void {
    addTo(this.#byUser, waiter.userNid, waiter)
    for (const room of waiter.rooms) addTo(this.#byRoom, room, waiter)
  }

  #remove(waiter: Waiter): void {
    removeFrom(this.#byUser, waiter.userNid, waiter)
    for (const room of waiter.rooms) removeFrom(this.#byRoom, room, waiter)
  }
}

/** Events are everybody's in the room, receipts unless private; a room's account data is its owner's alone. */
function isForRoom(entry: LogEntry): boolean {
  return entry.kind === 'event' || (entry.kind === 'receipt' && entry.userNid === null)
}

/** Their device lists matter to everybody who shares a room with them. */
function usersWithOtherDevices(entries: readonly LogEntry[]): UserNid[] {
  const users = entries.filter(({ kind }) => kind === 'device_list').map(({ userNid }) => userNid)
  return [...new Set(users)].filter((user) => user !== null)
}

async function roomsOf(tx: ReadTx, users: readonly UserNid[]): Promise<Set<RoomNid>> {
  const rooms = new Set<RoomNid>()
  for (const user of users) {
    for (const { roomNid } of await tx.memberships.ofUser(user, ['join'])) rooms.add(roomNid)
  }
  return rooms
}

function addTo<K>(index: Map<K, Set<Waiter>>, key: K, waiter: Waiter): void {
  const waiters = index.get(key)
  if (waiters === undefined) index.set(key, new Set([waiter]))
  else waiters.add(waiter)
}

function removeFrom<K>(index: Map<K, Set<Waiter>>, key: K, waiter: Waiter): void {
  const waiters = index.get(key)
  waiters?.delete(waiter)
  if (waiters?.size === 0) index.delete(key)
}
