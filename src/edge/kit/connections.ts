/** The connections of a listener: how many an address may have, and whose turn it is on each of them. */
import type { Socket } from 'node:net'
import type { OpenRequest } from '#kit/in-flight.ts'
import { addressKey } from '#kit/request-address.ts'

/** Requests of one connection that wait for the one before them (pipelining); further ones are refused. */
export const PIPELINED_MAX = 100

/** Counts the connections of each address, over all listeners. */
export class ConnectionCounts {
  readonly #perAddressMax: number
  readonly #isExempt: (address: string) => boolean
  readonly #counts = new Map<string, number>()

  /** @param isExempt tells the addresses that speak for many, such as a proxy's */
  constructor(limits: { perAddressMax: number; isExempt: (address: string) => boolean }) {
    this.#perAddressMax = limits.perAddressMax
    this.#isExempt = limits.isExempt
  }

  /** Addresses that have a connection. */
  get size(): number {
    return this.#counts.size
  }

  /** Counts a new connection. Null where the address has as many as it may; else what to call when it ends. */
  admit(address: string): (() => void) | null {
    if (this.#isExempt(address)) return () => {}
    const key = addressKey(address)
    const count = this.#counts.get(key) ?? 0
    if (count >= this.#perAddressMax) return null
    this.#counts.set(key, count + 1)
    return () => {
      const left = (this.#counts.get(key) ?? 0) - 1
      if (left > 0) this.#counts.set(key, left)
      else this.#counts.delete(key)
    }
  }
}

/** The sockets of one listener. */
export class Connections {
  readonly #counts: ConnectionCounts
  readonly #sockets = new Set<Socket>()

  constructor(counts: ConnectionCounts) {
    this.#counts = counts
  }

  /** Takes a connection in, or cuts it where its address has too many. */
  admit(socket: Socket): void {
    // Without an address it has ended already.
    const leave = socket.remoteAddress === undefined ? null : this.#counts.admit(socket.remoteAddress)
    if (leave === null) {
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      leave()
    })
  }

  /** Cuts all of them, those in the middle of a TLS handshake too. */
  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}

/**
 * The requests of one connection. Answers go out in the order of the requests anyway, so one is worked on at a time:
 * who sends many in a row gets no more of the server than who waits for each answer.
 */
export class RequestQueue {
  readonly #open = new Set<OpenRequest>()
  readonly #waiting: { readonly request: OpenRequest; readonly begin: () => void }[] = []
  #running: OpenRequest | null = null

  get isFull(): boolean {
    return this.#waiting.length >= PIPELINED_MAX
  }

  /** Calls `begin` when it is the request's turn; never where the client goes away before. */
  enter(request: OpenRequest, begin: () => void): void {
    this.#open.add(request)
    if (this.#running === null) {
      this.#running = request
      begin()
    } else this.#waiting.push({ request, begin })
  }

  /** A request was answered. */
  leave(request: OpenRequest): void {
    this.#open.delete(request)
    if (this.#running !== request) return
    this.#running = null
    // Those that were answered while they waited aren't begun.
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (next.request.over.aborted) continue
      this.#running = next.request
      next.begin()
      return
    }
  }

  /** The connection has ended. Returns the requests that have no answer. */
  end(): readonly OpenRequest[] {
    this.#waiting.length = 0
    return [...this.#open]
  }
}
