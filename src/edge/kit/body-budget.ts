import { MatrixError } from '#core/matrix-error.ts'
import { limitExceeded } from '#services/rate-limits/rate-limiter.ts'

/** Bytes of bodies that all requests under way may hold. */
export const BODY_BYTES_IN_FLIGHT_MAX = 128 * 1024 * 1024
/** Of them, those of one address: two of the largest that another server may send, and room for more. */
export const BODY_BYTES_PER_ADDRESS_MAX = 32 * 1024 * 1024
/** What somebody is told to wait who finds no room, in milliseconds. */
const RETRY_MS = 2_000

/** The room that one request's body takes. */
export interface BodyShare {
  /** Takes room for bytes that came. @throws MatrixError M_LIMIT_EXCEEDED, or 503 where all addresses together hold too much */
  take(bytes: number): void
  /** Gives everything back: the body isn't needed any more. */
  release(): void
}

/** How many bytes of bodies are in memory, from when they are read until their request is done. */
export class BodyBudget {
  readonly #totalMax: number
  readonly #addressMax: number
  readonly #byAddress = new Map<string, number>()
  #total = 0

  constructor(limits: { totalBytes: number; addressBytes: number }) {
    this.#totalMax = limits.totalBytes
    this.#addressMax = limits.addressBytes
  }

  /** Bytes that are held. */
  get held(): number {
    return this.#total
  }

  /** @param address whom the bytes are counted against */
  share(address: string): BodyShare {
    let taken = 0
    return {
      take: (bytes) => {
        const ofAddress = this.#byAddress.get(address) ?? 0
        if (ofAddress + bytes > this.#addressMax) throw limitExceeded(RETRY_MS)
        if (this.#total + bytes > this.#totalMax) throw busy()
        taken += bytes
        this.#total += bytes
        this.#byAddress.set(address, ofAddress + bytes)
      },
      release: () => {
        if (taken === 0) return
        const left = (this.#byAddress.get(address) ?? 0) - taken
        this.#total -= taken
        taken = 0
        if (left > 0) this.#byAddress.set(address, left)
        else this.#byAddress.delete(address)
      },
    }
  }
}

function busy(): MatrixError {
  return new MatrixError('M_UNKNOWN', 'The server is reading too much at this moment', {
    status: 503,
    extra: { retry_after_ms: RETRY_MS },
  })
}
