/** An HTTP server with chosen endpoints and nothing behind them, for tests of the kit. */
import { pino } from 'pino'
import { type FederationLimit, RATE_LIMITS, type RateLimits } from '#config/rate-limits.ts'
import type { DeviceId, ServerName, UserId } from '#core/ids.ts'
import { unknownToken } from '#core/matrix-error.ts'
import { BODY_BYTES_IN_FLIGHT_MAX, BODY_BYTES_PER_ADDRESS_MAX, BodyBudget } from '#kit/body-budget.ts'
import type { Authenticate, AuthenticateServer } from '#kit/caller.ts'
import { CallerTurns } from '#kit/caller-turns.ts'
import { ConnectionCounts } from '#kit/connections.ts'
import type { Endpoint } from '#kit/endpoint.ts'
import { HttpServer } from '#kit/http-server.ts'
import { LongPolls } from '#kit/long-polls.ts'
import { Metrics } from '#kit/metrics.ts'
import type { Services } from '#kit/services.ts'
import { RateLimiter } from '#services/rate-limits/rate-limiter.ts'
import { ServerLimiter } from '#services/rate-limits/server-limiter.ts'
import type { UserNid } from '#store/types/users.ts'
import { manualTime } from '#test/harness/manual-time.ts'

export type KitServer = AsyncDisposable & {
  readonly url: string
  readonly port: number
  readonly server: HttpServer
  readonly metrics: Metrics
  /** Every line that was logged. */
  readonly logged: string[]
  /** Moves the rate limiters' clock. */
  advance(ms: number): void
}

/** Knows the tokens `alice` and `guest`. */
export const authenticateByName: Authenticate = async (token) => {
  if (token !== 'alice' && token !== 'guest') throw unknownToken('Unknown access token')
  return {
    userId: `@${token}:example.org` as UserId,
    userNid: 1 as UserNid,
    deviceId: 'DEVICE' as DeviceId,
    isGuest: token === 'guest',
    isAdmin: false,
    accessTokenHash: 'hash',
  }
}

export async function startKitServer(
  endpoints: readonly Endpoint[],
  options: {
    limits?: Partial<RateLimits>
    /** None where absent. */
    serverLimit?: FederationLimit
    trustedProxies?: readonly string[]
    authenticateServer?: AuthenticateServer
    bodyBudget?: BodyBudget
    connectionCounts?: ConnectionCounts
    drainMsMax?: number
    healthProblem?: () => Promise<string | null>
  } = {},
): Promise<KitServer> {
  const { clock, timers, advance } = manualTime(1_000_000)
  const logged: string[] = []
  const metrics = new Metrics()
  const server = new HttpServer({
    endpoints,
    // The endpoints of these tests ask nothing of the services.
    services: {} as Services,
    authenticate: authenticateByName,
    authenticateServer:
      options.authenticateServer ??
      (async ({ readBody }) => {
        await readBody()
        return { origin: 'other.example' as ServerName, content: undefined }
      }),
    limiter: new RateLimiter({ limits: { ...RATE_LIMITS, ...options.limits }, clock }),
    serverLimiter: new ServerLimiter({ limit: options.serverLimit ?? false, clock, timers }),
    log: pino({ level: 'debug' }, { write: (line: string) => logged.push(line) }),
    metrics,
    longPolls: new LongPolls({ onRevoked: () => () => {} }),
    callerTurns: new CallerTurns(),
    bodyBudget:
      options.bodyBudget ??
      new BodyBudget({ totalBytes: BODY_BYTES_IN_FLIGHT_MAX, addressBytes: BODY_BYTES_PER_ADDRESS_MAX }),
    connectionCounts: options.connectionCounts ?? new ConnectionCounts({ perAddressMax: 1_000, isExempt: () => false }),
    ...(options.drainMsMax !== undefined && { drainMsMax: options.drainMsMax }),
    trustedProxies: options.trustedProxies ?? [],
    healthProblem: options.healthProblem ?? (async () => null),
    tls: null,
    requestIdPrefix: 'test',
  })
  const { port } = await server.listen('127.0.0.1', 0)
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    server,
    metrics,
    logged,
    advance,
    [Symbol.asyncDispose]: () => server.stop(),
  }
}
