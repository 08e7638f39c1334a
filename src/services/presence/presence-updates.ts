import type { LogBatch } from '#services/log/follower.ts'
import type { Following } from '#services/log/following.ts'
import type { LogFollowers } from '#services/log/log-followers.ts'
import type { PresenceBook } from '#services/presence/presence-book.ts'
import type { UserPresence } from '#services/presence/user-presence.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { Store } from '#store/store.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

/** Users whose rooms are looked up in one read. */
const USERS_AT_ONCE = 1_000

export type PresenceListener = (user: UserPresence, rooms: readonly RoomNid[]) => void

type Deps = {
  readonly store: Store
  readonly book: PresenceBook
  readonly followers: LogFollowers
  /** Told of failures that no request waits for. */
  readonly onError: (error: unknown) => void
}

/**
 * Brings a changed presence to whom it concerns: those in the rooms that the user is in. Who joins a room is told of
 * there again. Changes that come while one look is under way are told together after it.
 */
export class PresenceUpdates {
  readonly #deps: Deps
  readonly #listeners = new Set<PresenceListener>()
  readonly #changed = new Set<UserNid>()
  readonly #stopListening: () => void
  readonly #following: Following
  #looking: Promise<void> | null = null

  constructor(deps: Deps) {
    this.#deps = deps
    this.#stopListening = deps.book.onChange(({ userNid }) => {
      this.#changed.add(userNid)
      this.#look()
    })
    this.#following = deps.followers.follow({
      name: 'presence',
      topics: ['member'],
      isNeeded: () => deps.book.size > 0,
      handle: (batch) => this.#repeatJoined(batch),
    })
  }

  /** Calls the listener with a user and the rooms that they are in. Returns the function that ends it. */
  onUpdate(listener: PresenceListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves when all changes so far have been told. */
  async idle(): Promise<void> {
    await this.#following.idle()
    while (this.#looking !== null) await this.#looking
  }

  async close(): Promise<void> {
    this.#stopListening()
    this.#listeners.clear()
    await this.#following.close()
    await this.idle()
  }

  #look(): void {
    if (this.#changed.size === 0) return
    this.#looking ??= this.#tell()
      .catch(this.#deps.onError)
      .finally(() => {
        this.#looking = null
        this.#look()
      })
  }

  async #tell(): Promise<void> {
    const { store, book } = this.#deps
    const changed = [...this.#changed].slice(0, USERS_AT_ONCE)
    for (const user of changed) this.#changed.delete(user)
    const rooms = await store.read(async (tx) => {
      const found = new Map<UserNid, RoomNid[]>()
      for (const user of changed) {
        found.set(
          user,
          (await tx.memberships.ofUser(user, ['join'])).map(({ roomNid }) => roomNid),
        )
      }
      return found
    })
    const timeSlice = new TimeSlice()
    for (const [userNid, ofUser] of rooms) {
      await timeSlice.yieldIfDue()
      const user = book.get(userNid)
      if (user !== null) for (const listener of this.#listeners) listener(user, ofUser)
    }
  }

  async #repeatJoined({ entries }: LogBatch): Promise<null> {
    const { store, book } = this.#deps
    const known = entries.filter(({ userNid }) => userNid !== null && book.get(userNid) !== null)
    if (known.length === 0) return null
    const joined = await store.read(async (tx) => {
      const found = new Set<UserNid>()
      for (const { roomNid, userNid } of known) {
        if (roomNid === null || userNid === null) continue
        if ((await tx.memberships.one(userNid, roomNid))?.membership === 'join') found.add(userNid)
      }
      return found
    })
    for (const userNid of joined) book.repeat(userNid)
    return null
  }
}
