import type { EphemeralSequence } from '#services/log/ephemeral-sequence.ts'
import { isSamePresence, type UserPresence } from '#services/presence/user-presence.ts'
import type { UserNid } from '#store/types/users.ts'

/** How many changes are remembered in order; whoever has seen less looks at everybody. */
const CHANGES_MAX = 10_000

type Entry = { readonly user: UserPresence; readonly changedAt: number }
type Change = { readonly at: number; readonly userNid: UserNid }

/** Everybody's presence, and in which order it changed. Never stored: after a restart everybody is offline. */
export class PresenceBook {
  readonly #sequence: EphemeralSequence
  readonly #entries = new Map<UserNid, Entry>()
  readonly #listeners = new Set<(user: UserPresence) => void>()
  /** The latest changes, in order. */
  #changes: Change[] = []
  /** Changes up to this number aren't among them. */
  #forgottenUpTo = 0

  constructor(sequence: EphemeralSequence) {
    this.#sequence = sequence
  }

  get size(): number {
    return this.#entries.size
  }

  get(userNid: UserNid): UserPresence | null {
    return this.#entries.get(userNid)?.user ?? null
  }

  /** Everybody who isn't offline. */
  present(): UserPresence[] {
    return [...this.#entries.values()].map(({ user }) => user).filter(({ presence }) => presence !== 'offline')
  }

  /** Those whose presence changed after a number of the sequence. */
  changedSince(since: number): UserPresence[] {
    const last = this.#changes.at(-1)
    if (last === undefined || last.at <= since) return []
    if (since < this.#forgottenUpTo) {
      return [...this.#entries.values()].filter(({ changedAt }) => changedAt > since).map(({ user }) => user)
    }
    const users: UserPresence[] = []
    for (let i = this.#changes.length - 1; i >= 0; i--) {
      const change = this.#changes[i]
      if (change === undefined || change.at <= since) break
      const entry = this.#entries.get(change.userNid)
      // An earlier change of the same user is told with the later one.
      if (entry?.changedAt === change.at) users.push(entry.user)
    }
    return users.reverse()
  }

  /** Calls the listener with each change that others should hear of. Returns the function that ends it. */
  onChange(listener: (user: UserPresence) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Takes note; tells of it only if anything changed but the time of the last activity. */
  put(user: UserPresence): void {
    const known = this.#entries.get(user.userNid)
    const isKnown = known === undefined ? user.presence === 'offline' : isSamePresence(known.user, user)
    if (isKnown) this.#entries.set(user.userNid, { user, changedAt: known?.changedAt ?? 0 })
    else this.#publish(user)
  }

  /** Tells of a user again, for those who didn't share a room with them before. */
  repeat(userNid: UserNid): void {
    const known = this.#entries.get(userNid)
    if (known !== undefined && known.user.presence !== 'offline') this.#publish(known.user)
  }

  forget(userNid: UserNid): void {
    this.#entries.delete(userNid)
  }

  #publish(user: UserPresence): void {
    const at = this.#sequence.next()
    this.#entries.set(user.userNid, { user, changedAt: at })
    this.#changes.push({ at, userNid: user.userNid })
    if (this.#changes.length > 2 * CHANGES_MAX) {
      const dropped = this.#changes.splice(0, CHANGES_MAX)
      this.#forgottenUpTo = dropped.at(-1)?.at ?? 0
    }
    for (const listener of this.#listeners) listener(user)
  }
}
