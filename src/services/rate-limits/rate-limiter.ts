import type { RateLimitName, RateLimits } from '#config/rate-limits.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { lru } from '#store/lru.ts'

/** How many (limit, key) pairs are remembered; the least recently used ones are forgotten first. */
const BUCKETS_MAX = 50_000

type Bucket = { tokens: number; filledAtMs: number }

/** 429 `M_LIMIT_EXCEEDED`; the edge adds the `Retry-After` header. */
export function limitExceeded(retryAfterMs: number): MatrixError {
  return new MatrixError('M_LIMIT_EXCEEDED', 'Too many requests', { extra: { retry_after_ms: retryAfterMs } })
}

/** Token buckets by limit and key (a user, an address, a room …), all in memory. */
export class RateLimiter {
  readonly #limits: RateLimits | false
  readonly #clock: () => number
  readonly #buckets = lru<string, Bucket>(BUCKETS_MAX)

  /** `limits: false` lets everything pass. `clock` gives milliseconds. */
  constructor(deps: { limits: RateLimits | false; clock: () => number }) {
    this.#limits = deps.limits
    this.#clock = deps.clock
  }

  /** Takes one token, or throws `M_LIMIT_EXCEEDED` with the time until there is one. */
  take(name: RateLimitName, key: string): void {
    const wait = this.#waitMs(name, key)
    if (wait > 0) throw limitExceeded(wait)
  }

  /**
   * Gives back what `take` took: for limits that count only how a thing ends. What runs at the same time counts until
   * then, so that nobody passes the limit by asking in parallel.
   */
  giveBack(name: RateLimitName, key: string): void {
    if (this.#limits === false) return
    const bucketKey = `${name}\0${key}`
    const bucket = this.#buckets.get(bucketKey)
    // One that was forgotten meanwhile counts as full.
    if (bucket === undefined) return
    const tokens = Math.min(this.#limits[name].burst, bucket.tokens + 1)
    this.#buckets.set(bucketKey, { ...bucket, tokens })
  }

  get size(): number {
    return this.#buckets.size
  }

  #waitMs(name: RateLimitName, key: string): number {
    if (this.#limits === false) return 0
    const { perSecond, burst } = this.#limits[name]
    const now = this.#clock()
    const bucketKey = `${name}\0${key}`
    const bucket = this.#buckets.get(bucketKey) ?? { tokens: burst, filledAtMs: now }
    // A clock that was set back must not empty buckets.
    const elapsedMs = Math.max(0, now - bucket.filledAtMs)
    const tokens = Math.min(burst, bucket.tokens + (elapsedMs * perSecond) / 1000)
    const allowed = tokens >= 1
    this.#buckets.set(bucketKey, { tokens: allowed ? tokens - 1 : tokens, filledAtMs: now })
    return allowed ? 0 : Math.ceil(((1 - tokens) * 1000) / perSecond)
  }
}
