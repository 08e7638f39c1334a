/** The composition root: store → services → endpoints → listeners. The only file that knows all of them. */
import { X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import type { Logger } from 'pino'
import { federationLimit, rateLimits } from '#config/rate-limits.ts'
import type { Config, Resource } from '#config/schema.ts'
import { encodeBase64Url } from '#core/crypto.ts'
import type { Signer } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import { isServerName } from '#core/server-name.ts'
import { UnavailableError } from '#core/unavailable-error.ts'
import { BODY_BYTES_IN_FLIGHT_MAX, BODY_BYTES_PER_ADDRESS_MAX, BodyBudget } from '#kit/body-budget.ts'
import { CallerTurns } from '#kit/caller-turns.ts'
import { ConnectionCounts } from '#kit/connections.ts'
import { discoverEndpoints } from '#kit/discover.ts'
import { HttpServer } from '#kit/http-server.ts'
import { LongPolls } from '#kit/long-polls.ts'
import { Metrics } from '#kit/metrics.ts'
import type { Services } from '#kit/services.ts'
import { speaksForMany } from '#kit/speaks-for-many.ts'
import { type AccountSettings, accountServices } from '#services/account-services.ts'
import type { RandomBytes } from '#services/accounts/secrets.ts'
import { e2eeServices } from '#services/e2ee/e2ee-services.ts'
import type { FederationSettings } from '#services/federation/federation-link.ts'
import { federationServices } from '#services/federation/federation-services.ts'
import type { CheckSignature } from '#services/federation/keys/event-verifier.ts'
import { loadOldSigningKeys } from '#services/federation/keys/old-signing-keys.ts'
import { addressPolicy } from '#services/federation/transport/address-policy.ts'
import type { FederationTransport } from '#services/federation/transport/transport.ts'
import { Health } from '#services/health/health.ts'
import { Housekeeping } from '#services/housekeeping/housekeeping.ts'
import { logFollowers } from '#services/log/log-services.ts'
import { limitingServices } from '#services/rate-limits/limiting-services.ts'
import { readingServices } from '#services/reading-services.ts'
import { rendezvousSessions } from '#services/rendezvous/rendezvous-services.ts'
import type { RoomSettings } from '#services/rooms/room-context.ts'
import { roomServices } from '#services/rooms/room-services.ts'
import { loadSigningKey, SigningKeyError } from '#services/signing/signing-key.ts'
import { realTimers, type Timers } from '#services/time/timers.ts'
import { AlreadyServedError, UnfitDatabaseError } from '#store/errors.ts'
import { type DatabaseInspection, inspectDatabase } from '#store/sql/inspect.ts'
import { openStore } from '#store/sql/open.ts'
import { takeServerLock } from '#store/sql/server-lock.ts'
import type { Store } from '#store/store.ts'
import packageJson from '../package.json' with { type: 'json' }

/** What the program takes from the world around it; tests give their own. */
export type Surroundings = {
  /** Milliseconds since 1970. */
  readonly clock: () => number
  readonly randomBytes: RandomBytes
  readonly log: Logger
  readonly timers?: Timers
  /** Opens the database. */
  readonly openStore?: typeof openStore
  /** Carries requests to other servers, instead of the network. */
  readonly transport?: FederationTransport
  /** `host:port` each, asked for the names of other servers, instead of the system's name servers. */
  readonly nameServers?: readonly string[]
  /** Checks signatures of events, instead of other threads. */
  readonly checkSignature?: CheckSignature
}

export type OpenServices = AsyncDisposable & { readonly services: Services }

export type ListenerAddress = { readonly url: string; readonly resources: readonly Resource[] }

export type RunningServer = AsyncDisposable & {
  /** Where it really listens, in the order of the settings. */
  readonly addresses: readonly ListenerAddress[]
  readonly services: Services
  /** Resolves, with the reason, when another process has taken the database: this one must end. */
  readonly displaced: Promise<string>
  /** The graceful end: no request that was accepted is cut off within ten seconds. */
  stop(): Promise<void>
}

/** Opens the database and makes the services, without listening: for the command line. */
export async function openServices(config: Config, surroundings: Surroundings): Promise<OpenServices> {
  await using opened = new AsyncDisposableStack()
  const { clock, randomBytes, log, timers = realTimers } = surroundings
  const signer = loadKey(config, randomBytes)
  const { database, data_dir: dataDir, server_name: serverName, storage_limits: storageLimits } = config
  const open = surroundings.openStore ?? openStore
  const store = opened.use(
    await open({
      database,
      dataDir,
      serverName: serverName as ServerName,
      clock,
      log,
      storageLimits,
      appendThread: true,
    }).catch((error: unknown) => Promise.reject(startFault(error, config))),
  )
  await claimDatabase(store, config.server_name)
  const onError = (err: unknown) => {
    // The store has told the operator; what failed is done again, or was for a client that asks again.
    if (err instanceof UnavailableError) log.debug({ err }, 'work in the background waits for the database')
    else log.error({ err }, 'work in the background failed')
  }
  const metrics = new Metrics()
  const onStop = (stop: () => unknown) => opened.defer(async () => void (await stop()))
  const surrounding = { store, serverName: serverName as ServerName, signer, clock, timers, randomBytes, log, onError }
  const given = { ...surrounding, metrics, onStop }
  const limits = { limits: rateLimits(config.rate_limits), serverLimit: federationLimit(config.rate_limits) }
  // Each after those that it is built of; they are stopped in the opposite order.
  const limiting = limitingServices({ ...given, ...limits })
  const followers = logFollowers(given)
  const accounts = accountServices({ ...given, ...limiting, settings: accountSettings(config) })
  const e2ee = e2eeServices(given)
  const rooms = await roomServices({ ...given, ...limiting, ...accounts, settings: roomSettings(config) })
  const reading = readingServices({ ...given, followers, presenceEnabled: config.presence })
  const housekeeping = new Housekeeping(given)
  onStop(() => housekeeping.stop())
  const federation = await federationServices({
    ...given,
    followers,
    rooms,
    reading,
    profiles: accounts.profiles,
    e2ee,
    tellsDeviceNames: config.federation.device_names,
    settings: federationSettings(config),
    ...(surroundings.transport !== undefined && { transport: surroundings.transport }),
    ...(surroundings.nameServers !== undefined && { nameServers: surroundings.nameServers }),
    ...(surroundings.checkSignature !== undefined && { checkSignature: surroundings.checkSignature }),
  })
  const rendezvous = rendezvousSessions(given)
  const health = new Health({ store, clock: Date.now, timers: realTimers })
  const own = { clock, config, federation, followers, health, metrics, rendezvous, rooms }
  const services: Services = { ...own, ...limiting, ...accounts, ...e2ee, ...reading }
  const ending = opened.move()
  return { services, [Symbol.asyncDispose]: () => ending.disposeAsync() }
}

/**
 * User ids, room ids and signatures in the database hold the server's name: under another one they are nobody's. Before
 * the first account there are none, and the name may still be changed.
 */
async function claimDatabase(store: Store, serverName: string): Promise<void> {
  const owner = await store.write(async (tx) => {
    const known = await tx.meta.serverName()
    if (known === serverName || (known !== null && (await tx.accounts.any()))) return known
    await tx.meta.setServerName(serverName)
    return serverName
  })
  if (owner !== serverName) throw foreignDatabase(owner, serverName)
}

function foreignDatabase(owner: string | null, serverName: string): StartError {
  return new StartError(`server_name: the database belongs to "${owner}", and can't be used as "${serverName}"`)
}

/**
 * Whether the database that the settings name can be used with them; changes nothing.
 *
 * @throws StartError where a start would fail
 */
export async function checkDatabase(config: Config): Promise<DatabaseInspection | null> {
  const { database, data_dir: dataDir, server_name: serverName } = config
  const found = await inspectDatabase(database, dataDir).catch((error: unknown) => {
    throw startFault(error, config)
  })
  if (found?.hasAccounts && found.serverName !== serverName) throw foreignDatabase(found.serverName, serverName)
  return found
}

function accountSettings(config: Config): AccountSettings {
  const { memory_kib: memoryKib, passes } = config.password_hash
  return {
    serverName: config.server_name as ServerName,
    passwordCost: { memoryKib, passes },
    registration: config.registration,
    sharedSecret: config.registration.shared_secret ?? null,
  }
}

function roomSettings({ rooms }: Config): RoomSettings {
  return {
    defaultVersion: rooms.default_version,
    aliasesWithoutMembership: rooms.aliases_without_membership,
    publication: rooms.publication,
  }
}

/** Throws `StartError` for settings whose form is right and whose content isn't. */
function federationSettings(config: Config): FederationSettings {
  const { federation } = config
  const nameless = federation.trusted_key_servers.find((name) => !isServerName(name))
  if (nameless !== undefined) throw new StartError(`federation.trusted_key_servers: no server name: ${nameless}`)
  try {
    addressPolicy(federation.allow_ip_ranges)
  } catch (error) {
    throw new StartError(`federation.allow_ip_ranges: ${(error as Error).message}`)
  }
  return {
    serverOverrides: federation.server_overrides,
    ca: federation.ca_file === undefined ? null : readAuthorities(federation.ca_file),
    allowIpRanges: federation.allow_ip_ranges,
    retry: { baseMs: federation.retry.base_ms, maxMs: federation.retry.max_ms },
    trustedKeyServers: federation.trusted_key_servers as ServerName[],
    oldKeys: oldSigningKeys(config),
    software: { name: 'Hearth', version: packageJson.version },
  }
}

function oldSigningKeys(config: Config): ReturnType<typeof loadOldSigningKeys> {
  try {
    return loadOldSigningKeys(config.data_dir)
  } catch (error) {
    throw startFault(error, config)
  }
}

function readAuthorities(file: string): string {
  try {
    const pem = readFileSync(file, 'utf8')
    // Throws where the first of them is none.
    new X509Certificate(pem)
    return pem
  } catch (error) {
    throw new StartError(`federation.ca_file: ${(error as Error).message}`)
  }
}

/** Starts everything. Throws `StartError` for what an operator can put right. */
export async function startServer(config: Config, surroundings: Surroundings): Promise<RunningServer> {
  await using started = new AsyncDisposableStack()
  const { database, data_dir: dataDir } = config
  const lock = started.use(
    await takeServerLock({ database, dataDir, log: surroundings.log }).catch((error: unknown) =>
      Promise.reject(startFault(error, config)),
    ),
  )
  const { services } = started.use(await openServices(config, surroundings))
  if (config.listeners.some(({ resources }) => resources.includes('federation'))) services.federation.prepare()
  const found = await discoverEndpoints()
  const shared = {
    longPolls: new LongPolls(services.sessions),
    callerTurns: new CallerTurns(),
    bodyBudget: new BodyBudget({ totalBytes: BODY_BYTES_IN_FLIGHT_MAX, addressBytes: BODY_BYTES_PER_ADDRESS_MAX }),
    connectionCounts: new ConnectionCounts({
      perAddressMax: config.connections_per_address,
      isExempt: trustedAddresses(config),
    }),
  }
  const addresses: ListenerAddress[] = []
  const servers: HttpServer[] = []
  // All listeners stop at the same time, each with its own ten seconds.
  started.defer(async () => {
    await Promise.all(servers.map((server) => server.stop()))
  })
  for (const [index, listener] of config.listeners.entries()) {
    const server = new HttpServer({
      endpoints: found.filter(({ resource }) => listener.resources.includes(resource)).map(({ endpoint }) => endpoint),
      services,
      authenticate: (token, origin) => services.sessions.authenticate(token, origin),
      authenticateServer: (request) => services.federation.requestAuthenticator.authenticate(request),
      limiter: services.limiter,
      serverLimiter: services.serverLimiter,
      ...shared,
      log: surroundings.log,
      metrics: services.metrics,
      trustedProxies: config.trusted_proxies,
      tls: listener.tls === undefined ? null : readTls(listener.tls, `listeners.${index}.tls`),
      healthProblem: () => services.health.problem(),
      requestIdPrefix: encodeBase64Url(surroundings.randomBytes(4)),
    })
    const port = await listen(server, listener, `listeners.${index}`)
    servers.push(server)
    addresses.push({ url: addressUrl(listener, port), resources: listener.resources })
  }
  const ending = started.move()
  const stop = async () => {
    try {
      await ending.disposeAsync()
    } catch (error) {
      if (!isUnavailable(error)) throw error
      surroundings.log.warn('The database is not usable: what could wait until the stop is not written')
    }
  }
  return { addresses, services, displaced: lock.lost, stop, [Symbol.asyncDispose]: stop }
}

/** Whether nothing else went wrong. */
function isUnavailable(error: unknown): boolean {
  if (error instanceof SuppressedError) return isUnavailable(error.error) && isUnavailable(error.suppressed)
  return error instanceof UnavailableError
}

function loadKey(config: Config, randomBytes: RandomBytes): Signer {
  try {
    mkdirSync(config.data_dir, { recursive: true, mode: 0o700 })
    return loadSigningKey(config.server_name, config.data_dir, randomBytes)
  } catch (error) {
    throw startFault(error, config)
  }
}

/** What an operator can put right, in a sentence that says which setting it hangs on; other errors stay what they are. */
function startFault(error: unknown, { database, data_dir: dataDir }: Config): unknown {
  const place = database === 'sqlite' ? `data_dir: ${dataDir}` : 'database'
  if (error instanceof AlreadyServedError) return new StartError(error.message)
  if (error instanceof UnfitDatabaseError) return new StartError(`${place}: ${error.message}`)
  if (error instanceof UnavailableError) {
    const cause = error.cause instanceof Error ? ` (${causeOf(error.cause)})` : ''
    return new StartError(`${place}: ${error.message}${cause}`)
  }
  if (error instanceof SigningKeyError) return new StartError(`data_dir: ${error.message}`)
  const isSystemError = error instanceof Error && 'syscall' in error
  return isSystemError ? new StartError(`data_dir: can't use ${dataDir}: ${error.message}`) : error
}

/** Where a name has several addresses, each has its own error, and the sum of them no message. */
function causeOf(cause: Error): string {
  const [first] = cause instanceof AggregateError ? cause.errors : [cause]
  return first instanceof Error ? first.message : String(first)
}

function trustedAddresses({ trusted_proxies: ranges }: Config): (address: string) => boolean {
  try {
    return speaksForMany(ranges)
  } catch (error) {
    throw new StartError(`trusted_proxies: ${(error as Error).message}`)
  }
}

/** Something outside of the program keeps it from starting; the message says what, and which setting it hangs on. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

type Listener = Config['listeners'][number]

async function listen(server: HttpServer, { host, port }: Listener, key: string): Promise<number> {
  try {
    return (await server.listen(host, port)).port
  } catch (error) {
    throw new StartError(`${key}: can't listen on ${host}, port ${port}: ${(error as Error).message}`)
  }
}

function readTls(files: { cert: string; key: string }, key: string): { cert: string; key: string } {
  try {
    return { cert: readFileSync(files.cert, 'utf8'), key: readFileSync(files.key, 'utf8') }
  } catch (error) {
    throw new StartError(`${key}: ${(error as Error).message}`)
  }
}

function addressUrl(listener: Listener, port: number): string {
  const host = listener.host.includes(':') ? `[${listener.host}]` : listener.host
  return `${listener.tls === undefined ? 'http' : 'https'}://${host}:${port}`
}
