import type { FederationLimit } from '#config/rate-limits.ts'
import type { ServerName } from '#core/ids.ts'
import { limitExceeded } from '#services/rate-limits/rate-limiter.ts'
import type { Timers } from '#services/time/timers.ts'
import { lru } from '#store/lru.ts'

/** Servers with nothing under way that are remembered; the least recently used ones are forgotten first. */
const IDLE_SERVERS_MAX = 10_000
/** Bodies of requests that wait, summed over all servers: each alone may be as large as a request can be. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024

type Peer = {
  /** When its requests of the last window came. */
  arrivals: number[]
  running: number
  /** Requests that sleep or stand in `queue`. */
  waiting: number
  readonly queue: (() => void)[]
}

/** What a request holds while it waits, and what ends its waiting. */
export type WaitingRequest = { readonly bytes: number; readonly signal: AbortSignal }

/**
 * How many requests of one other server are worked on: a few at a time, and slowly where many come at once. Those that
 * must wait are bounded in number and in bytes; who hangs up waits no longer.
 */
export class ServerLimiter {
  readonly #limit: FederationLimit | false
  readonly #clock: () => number
  readonly #timers: Timers
  readonly #active = new Map<ServerName, Peer>()
  readonly #idle = lru<ServerName, Peer>(IDLE_SERVERS_MAX)
  #waiting = 0
  #waitingBytes = 0

  /** `limit: false` lets everything pass. `clock` gives milliseconds. */
  constructor(deps: { limit: FederationLimit | false; clock: () => number; timers: Timers }) {
    this.#limit = deps.limit
    this.#clock = deps.clock
    this.#timers = deps.timers
  }

  /** Requests that wait for their turn. */
  get waiting(): number {
    return this.#waiting
  }

  /** Servers that are remembered. */
  get size(): number {
    return this.#active.size + this.#idle.size
  }

  /**
   * Does a server's work when its turn has come.
   *
   * @throws M_LIMIT_EXCEEDED with a time to wait: too many wait already, or the request was given up meanwhile
   */
  async run<T>(server: ServerName, request: WaitingRequest, work: () => T | Promise<T>): Promise<T> {
    if (this.#limit === false) return work()
    const peer = this.#peer(server)
    try {
      await this.#enter(peer, request, this.#limit)
      try {
        return await work()
      } finally {
        const next = peer.queue.shift()
        // The place goes on to the next one, and is never free between the two.
        if (next === undefined) peer.running -= 1
        else next()
      }
    } finally {
      if (peer.running === 0 && peer.waiting === 0) {
        this.#active.delete(server)
        this.#idle.set(server, peer)
      }
    }
  }

  #peer(server: ServerName): Peer {
    const known = this.#active.get(server) ?? this.#idle.get(server)
    const peer = known ?? { arrivals: [], running: 0, waiting: 0, queue: [] }
    // One that is busy must not be forgotten.
    this.#idle.delete(server)
    this.#active.set(server, peer)
    return peer
  }

  /** Resolves when the request has a place. */
  async #enter(peer: Peer, request: WaitingRequest, limit: FederationLimit): Promise<void> {
    if (peer.waiting >= limit.rejectAfter) throw limitExceeded(limit.windowMs)
    const sleeps = this.#arrives(peer, limit)
    if (!sleeps && peer.running < limit.concurrent) {
      peer.running += 1
      return
    }
    if (this.#waitingBytes + request.bytes > WAITING_BYTES_MAX) throw limitExceeded(limit.windowMs)
    this.#count(peer, 1, request.bytes)
    try {
      if (sleeps) await unlessAborted(request.signal, limit, (done) => this.#timers.after(limit.sleepMs, done))
      if (peer.running < limit.concurrent) peer.running += 1
      else await unlessAborted(request.signal, limit, (done) => stand(peer.queue, done))
    } finally {
      this.#count(peer, -1, -request.bytes)
    }
  }

  #count(peer: Peer, requests: number, bytes: number): void {
    peer.waiting += requests
    this.#waiting += requests
    this.#waitingBytes += bytes
  }

  /** Whether this is one more than may come in a window without having to sleep. */
  #arrives(peer: Peer, limit: FederationLimit): boolean {
    const now = this.#clock()
    // A clock that was set back must not slow anybody down for as long.
    peer.arrivals = peer.arrivals.filter((ts) => Math.abs(now - ts) < limit.windowMs)
    peer.arrivals.push(now)
    return peer.arrivals.length > limit.sleepAfter
  }
}

/** Takes a place at the end; returns the function that leaves it. */
function stand(queue: (() => void)[], done: () => void): () => void {
  queue.push(done)
  return () => {
    const at = queue.indexOf(done)
    if (at >= 0) queue.splice(at, 1)
  }
}

/** Resolves when `start` calls back. @throws M_LIMIT_EXCEEDED when the signal aborts first */
function unlessAborted(
  signal: AbortSignal,
  limit: FederationLimit,
  start: (done: () => void) => () => void,
): Promise<void> {
  if (signal.aborted) return Promise.reject(limitExceeded(limit.windowMs))
  return new Promise((resolve, reject) => {
    const cancel = start(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    const onAbort = () => {
      cancel()
      reject(limitExceeded(limit.windowMs))
    }
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
