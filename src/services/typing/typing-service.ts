import type { UserId } from '#core/ids.ts'
import type { EphemeralSequence } from '#services/log/ephemeral-sequence.ts'
import type { Timers } from '#services/time/timers.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** The longest that one notification keeps a user typing. */
export const TYPING_TIMEOUT_MS_MAX = 120_000
/** Users who type in a room at the same time. One more, and the one who began first is left out: nobody reads the list. */
export const TYPING_PER_ROOM_MAX = 100
/** Over all rooms. Further ones go unnoticed. */
export const TYPING_MAX = 50_000

type Deps = {
  readonly clock: () => number
  readonly timers: Timers
  readonly sequence: EphemeralSequence
}

type RoomTyping = { readonly users: Map<UserId, { until: number; cancel: () => void }>; changedAt: number }

/**
 * Who is typing where (client-server API, "Typing Notifications"): users of this server and of others. Never stored:
 * after a restart nobody types.
 */
export class TypingService {
  readonly #deps: Deps
  readonly #rooms = new Map<RoomNid, RoomTyping>()
  readonly #listeners = new Set<(room: RoomNid) => void>()
  /** The number of the last change. */
  #changedAt = 0
  /** How many users type, over all rooms. */
  #typists = 0

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Calls the listener when a room's list of typing users changed. Returns the function that ends it. */
  onChange(listener: (room: RoomNid) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get isAnybodyTyping(): boolean {
    return this.#typists > 0
  }

  /** The user types for `timeoutMs` (at most `TYPING_TIMEOUT_MS_MAX`), or until told otherwise. */
  start(room: RoomNid, userId: UserId, timeoutMs: number): void {
    const timeout = Math.min(Math.max(timeoutMs, 1), TYPING_TIMEOUT_MS_MAX)
    const typing = this.#rooms.get(room) ?? { users: new Map(), changedAt: 0 }
    const known = typing.users.get(userId)
    if (known === undefined) {
      if (typing.users.size >= TYPING_PER_ROOM_MAX) this.#leaveOutOldest(typing)
      if (this.#typists >= TYPING_MAX) return
    }
    this.#rooms.set(room, typing)
    known?.cancel()
    typing.users.set(userId, {
      until: this.#deps.clock() + timeout,
      cancel: this.#deps.timers.after(timeout, () => this.stop(room, userId)),
    })
    if (known !== undefined) return
    this.#typists += 1
    this.#changed(room, typing)
  }

  stop(room: RoomNid, userId: UserId): void {
    const typing = this.#rooms.get(room)
    if (typing === undefined) {
      // Nobody has typed here since this process began, but clients may show somebody who began before.
      const nobody: RoomTyping = { users: new Map(), changedAt: 0 }
      this.#rooms.set(room, nobody)
      this.#changed(room, nobody)
      return
    }
    const known = typing.users.get(userId)
    if (known === undefined) return
    known.cancel()
    typing.users.delete(userId)
    this.#typists -= 1
    this.#changed(room, typing)
  }

  /** Ends all waiting; nobody is told. */
  close(): void {
    for (const { users } of this.#rooms.values()) for (const { cancel } of users.values()) cancel()
  }

  /** Who types in the room now, in the order in which they began. */
  typingIn(room: RoomNid): UserId[] {
    return [...(this.#rooms.get(room)?.users.keys() ?? [])]
  }

  /** Rooms whose list changed after a number of the sequence. */
  changedSince(since: number): Set<RoomNid> {
    const rooms = new Set<RoomNid>()
    if (since >= this.#changedAt) return rooms
    for (const [room, typing] of this.#rooms) {
      // To a client of an earlier process an empty list is no news unless it may still show somebody.
      if (typing.changedAt > since) rooms.add(room)
    }
    return rooms
  }

  /** The caller tells of the change. */
  #leaveOutOldest({ users }: RoomTyping): void {
    for (const [userId, { cancel }] of users) {
      cancel()
      users.delete(userId)
      this.#typists -= 1
      return
    }
  }

  #changed(room: RoomNid, typing: RoomTyping): void {
    this.#changedAt = this.#deps.sequence.next()
    typing.changedAt = this.#changedAt
    for (const listener of this.#listeners) listener(room)
  }
}
