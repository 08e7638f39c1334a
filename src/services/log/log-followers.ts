import type { ServerName } from '#core/ids.ts'
import type { Claim, Follower } from '#services/log/follower.ts'
import { Following } from '#services/log/following.ts'
import { LogTail } from '#services/log/log-tail.ts'
import type { Timers } from '#services/time/timers.ts'
import type { Store } from '#store/store.ts'

type Deps = {
  readonly store: Store
  readonly serverName: ServerName
  readonly timers: Timers
  /** Told of failures that no request waits for. */
  readonly onError: (error: unknown) => void
}

/**
 * All who follow the log. Those that keep up get what was just committed from memory; who is behind reads it from the
 * database, and so does everybody where another process has written. A stored follower belongs to the process that
 * claimed it last: what an earlier one still wants to write in its name is refused.
 */
export class LogFollowers {
  readonly #deps: Deps
  readonly #tail = new LogTail()
  readonly #followings = new Map<string, Following>()
  readonly #stopListening: () => void

  constructor(deps: Deps) {
    this.#deps = deps
    this.#stopListening = deps.store.onCommit((_position, commit) => {
      if (commit !== null) this.#tail.add(commit)
      for (const following of this.#followings.values()) following.look()
      this.#trim()
    })
  }

  /** Takes over the stored follower of that name. */
  claim(name: string): Promise<Claim> {
    return this.#deps.store.write((tx) => tx.log.claimFollower(name))
  }

  /** Begins at once. The name must be free. */
  follow(follower: Follower): Following {
    const { name } = follower
    if (this.#followings.has(name)) throw new Error(`The log is followed as ${name} already`)
    const following = new Following(follower, { ...this.#deps, tail: this.#tail, onMoved: () => this.#trim() })
    this.#followings.set(name, following)
    following.look()
    return following
  }

  /** How far each has come. */
  positions(): Record<string, number> {
    return this.#ofEach(({ position }) => position)
  }

  /** How many positions each has before it. */
  lags(): Record<string, number> {
    const end = this.#deps.store.position()
    return this.#ofEach(({ position }) => Math.max(0, end - position))
  }

  /** Memory held by what some follower has yet to get. */
  get tailBytes(): number {
    return this.#tail.bytes
  }

  /** Resolves when all have reached the end of the log. */
  async idle(): Promise<void> {
    await Promise.all([...this.#followings.values()].map((following) => following.idle()))
  }

  /** Stops all that haven't been stopped. To be called before the store closes. */
  async close(): Promise<void> {
    this.#stopListening()
    await Promise.all([...this.#followings.values()].map((following) => following.close()))
    this.#tail.clear()
  }

  #ofEach(read: (following: Following) => number): Record<string, number> {
    return Object.fromEntries([...this.#followings].map(([name, following]) => [name, read(following)]))
  }

  #trim(): void {
    this.#tail.trim([...this.#followings.values()].map(({ position }) => position))
  }
}
