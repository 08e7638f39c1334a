import type { Config } from '#config/schema.ts'
import type { Metrics } from '#kit/metrics.ts'
import type { AccountServices } from '#services/account-services.ts'
import type { E2eeServices } from '#services/e2ee/e2ee-services.ts'
import type { FederationServices } from '#services/federation/federation-services.ts'
import type { Health } from '#services/health/health.ts'
import type { LogFollowers } from '#services/log/log-followers.ts'
import type { RateLimiter } from '#services/rate-limits/rate-limiter.ts'
import type { ServerLimiter } from '#services/rate-limits/server-limiter.ts'
import type { ReadingServices } from '#services/reading-services.ts'
import type { RendezvousSessions } from '#services/rendezvous/rendezvous-sessions.ts'
import type { RoomServices } from '#services/rooms/room-services.ts'

/**
 * What endpoints can reach: one line a service, given by the composition root (`src/server.ts`). A handler takes only
 * those it uses out of it: `handle({ caller }, { accountData })`.
 */
export interface Services extends AccountServices, E2eeServices, ReadingServices {
  readonly clock: () => number
  readonly config: Config
  readonly federation: FederationServices
  readonly health: Health
  readonly followers: LogFollowers
  readonly limiter: RateLimiter
  readonly metrics: Metrics
  readonly rendezvous: RendezvousSessions
  readonly rooms: RoomServices
  readonly serverLimiter: ServerLimiter
}
