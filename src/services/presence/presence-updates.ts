import type { PresenceBook } from '#services/presence/presence-book.ts'
import type { UserPresence } from '#services/presence/user-presence.ts'
import type { Store } from '#store/store.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

/** How many log entries one look for joins takes. */
const ENTRIES_PER_LOOK_MAX = 1_000

export type PresenceListener = (user: UserPresence, rooms: readonly RoomNid[]) => void

type Deps = {
  readonly store: Store
  readonly book: PresenceBook
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
  readonly #stop: readonly (() => void)[]
  #seen: number
  #looking: Promise<void> | null = null

  constructor(deps: Deps) {
    this.#deps = deps
    this.#seen = deps.store.position()
    this.#stop = [
      deps.book.onChange(({ userNid }) => {
        this.#changed.add(userNid)
        this.#look()
      }),
      deps.store.onCommit(() => this.#look()),
    ]
  }

  /** Calls the listener with a user and the rooms that they are in. Returns the function that ends it. */
  onNews(listener: PresenceListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves when all changes so far have been told. */
  async idle(): Promise<void> {
    while (this.#looking !== null) await this.#looking
  }

  async close(): Promise<void> {
    for (const stop of this.#stop) stop()
    this.#listeners.clear()
    await this.idle()
  }

  #look(): void {
    const { store, book, onError } = this.#deps
    if (book.size === 0) this.#seen = store.position()
    if (this.#changed.size === 0 && this.#seen >= store.position()) return
    this.#looking ??= this.#tell()
      .catch(onError)
      .finally(() => {
        this.#looking = null
        this.#look()
      })
  }

  async #tell(): Promise<void> {
    const { store, book } = this.#deps
    const [from, to] = [this.#seen, store.position()]
    this.#seen = to
    const changed = [...this.#changed]
    this.#changed.clear()
    const { rooms, joined } = await store.read(async (tx) => {
      const found = new Map<UserNid, RoomNid[]>()
      for (const user of changed) {
        found.set(
          user,
          (await tx.memberships.ofUser(user, ['join'])).map(({ roomNid }) => roomNid),
        )
      }
      const entries = from < to ? await tx.log.between(from, to, ENTRIES_PER_LOOK_MAX) : []
      const moved = new Set<UserNid>()
      for (const { kind, roomNid, userNid } of entries) {
        if (kind !== 'event' || roomNid === null || userNid === null || book.get(userNid) === null) continue
        if ((await tx.memberships.one(userNid, roomNid))?.membership === 'join') moved.add(userNid)
      }
      return { rooms: found, joined: moved }
    })
    for (const [userNid, ofUser] of rooms) {
      const user = book.get(userNid)
      if (user !== null) for (const listener of this.#listeners) listener(user, ofUser)
    }
    for (const userNid of joined) book.repeat(userNid)
  }
}
