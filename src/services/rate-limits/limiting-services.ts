import type { Part } from '#services/parts/part.ts'
import { RateLimiter } from '#services/rate-limits/rate-limiter.ts'
import { ServerLimiter } from '#services/rate-limits/server-limiter.ts'
import type { Timers } from '#services/time/timers.ts'

export interface LimitingServices {
  readonly limiter: RateLimiter
  /** Of other servers' requests. */
  readonly serverLimiter: ServerLimiter
}

type Deps = Part & {
  readonly clock: () => number
  readonly timers: Timers
  readonly limits: ConstructorParameters<typeof RateLimiter>[0]['limits']
  readonly serverLimit: ConstructorParameters<typeof ServerLimiter>[0]['limit']
}

/** What bounds how often clients and other servers may ask. */
export function limitingServices({ clock, timers, limits, serverLimit, metrics }: Deps): LimitingServices {
  const limiter = new RateLimiter({ limits, clock })
  const serverLimiter = new ServerLimiter({ limit: serverLimit, clock, timers })
  metrics.gauge('hearth_rate_limiter_buckets', 'Rate limits that somebody is counted by', () => limiter.size)
  metrics.gauge('hearth_server_limiter_servers', 'Other servers whose requests are counted', () => serverLimiter.size)
  metrics.gauge('hearth_server_limiter_waiting', 'Requests of other servers that wait', () => serverLimiter.waiting)
  return { limiter, serverLimiter }
}
