import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { parseConfig } from '#config/load.ts'
import type { DeviceId, ServerName, UserId } from '#core/ids.ts'
import type { Caller } from '#kit/caller.ts'
import { CallerTurns } from '#kit/caller-turns.ts'
import { discoverEndpoints } from '#kit/discover.ts'
import { LongPolls } from '#kit/long-polls.ts'
import type { Services } from '#kit/services.ts'
import type { InboundCounters } from '#services/federation/inbound/inbound-counters.ts'
import type { WireReply } from '#services/federation/transport/transport.ts'
import { openStore } from '#store/sql/open.ts'
import type { Store } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'
import { endpointServer, type WireServer } from '#test/federation/in-memory-network.ts'
import { CrashingStore } from '#test/simulation/crashing-store.ts'
import type { FaultyNetwork } from '#test/simulation/faulty-network.ts'
import { verifyOnce } from '#test/simulation/verify-once.ts'
import type { VirtualTime } from '#test/simulation/virtual-time.ts'
import { openServices } from '../../src/server.ts'

const endpoints = await discoverEndpoints()

// biome-ignore lint/suspicious/noExplicitAny: answers of every shape
export type Reply = { readonly status: number; readonly body: any }

export type ServerDeps = {
  readonly name: ServerName
  readonly folder: string
  readonly time: VirtualTime
  readonly network: FaultyNetwork
  readonly randomBytes: (count: number) => Uint8Array<ArrayBuffer>
  /** What must never happen: failures in the background, answers of 500. */
  readonly onDefect: (error: unknown) => void
  readonly onCrash: (server: SimulatedServer) => void
}

/** One life of a process. */
type Life = {
  readonly store: CrashingStore
  readonly serve: WireServer
  readonly services: Services
  readonly silence: () => void
}

/** A Hearth of the simulated world: the production services on a database of its own, behind a simulated network. */
export class SimulatedServer {
  readonly name: ServerName
  readonly users: UserId[] = []
  readonly #deps: ServerDeps
  readonly #callers = new Map<string, Caller>()
  #life: Life | null = null
  crashes = 0
  /** What all its lives so far have counted. */
  readonly counted: { readonly inbound: InboundCounters; readonly joins: { completed: number } }[] = []

  constructor(deps: ServerDeps) {
    this.#deps = deps
    this.name = deps.name
  }

  get isUp(): boolean {
    return this.#life !== null && !this.#life.store.isDead
  }

  /** What is on its disk. */
  get store(): Store {
    return this.#running().store.onDisk
  }

  get services(): Services {
    return this.#running().services
  }

  /** Starts, or starts again on what is on disk. */
  async boot(): Promise<void> {
    const { name, folder, time, network, onDefect } = this.#deps
    const dataDir = join(folder, name)
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    const config = parseConfig(JSON.stringify(settings(name, dataDir)), {
      source: 'simulation',
      folder: dataDir,
      environment: {},
    })
    const timers = time.timers()
    let store: CrashingStore | null = null
    let isOver = false
    const complain = (error: unknown) => {
      if (!isOver) onDefect(error)
    }
    const log = pino({ level: 'error' }, { write: (line: string) => complain(new Error(`${name} logged ${line}`)) })
    const { services } = await openServices(config, {
      clock: () => time.now,
      randomBytes: this.#deps.randomBytes,
      log,
      timers,
      transport: network.transportOf(name),
      checkSignature: (data, signature, key, done) => done(verifyOnce(data, signature, key)),
      openStore: async (options) => {
        store = new CrashingStore(
          // Nothing in this world may hang on a thread's speed.
          await openStore({ ...options, appendThread: false }),
          () => time.tell(),
          () => {
            isOver = true
            this.#crash()
          },
        )
        return store
      },
    })
    const found = endpoints.filter(({ resource }) => resource === 'client' || resource === 'federation')
    const serve = endpointServer(
      found.map(({ endpoint }) => endpoint),
      {
        services,
        authenticate: async (token) => {
          const caller = this.#callers.get(token)
          if (caller === undefined) throw new Error(`nobody has the token ${token}`)
          return caller
        },
        authenticateServer: (request) => services.federation.requestAuthenticator.authenticate(request),
        limiter: services.limiter,
        serverLimiter: services.serverLimiter,
        longPolls: new LongPolls(services.sessions),
        callerTurns: new CallerTurns(),
      },
      complain,
    )
    const { inbound, memberships } = services.federation
    this.counted.push({ inbound: inbound.counters, joins: memberships.partialStates.counters })
    this.#life = { store: store as unknown as CrashingStore, serve, services, silence: () => timers.silence() }
    network.attach(name, (request) => {
      time.tell()
      return serve(request)
    })
  }

  /** Makes an account, without a password. */
  async addUser(localpart: string): Promise<UserId> {
    const userId = `@${localpart}:${this.name}` as UserId
    const userNid = await this.store.write(async (tx) => {
      const nid: UserNid = await tx.users.intern(userId)
      await tx.accounts.create({ userNid: nid, guest: false, admin: false, passwordHash: null, createdTs: 1 })
      return nid
    })
    const deviceId = 'DEVICE' as DeviceId
    this.#callers.set(userId, { userId, userNid, deviceId, isGuest: false, isAdmin: false, accessTokenHash: userId })
    this.users.push(userId)
    return userId
  }

  /** One request of a client. Never answered when the server dies meanwhile. */
  async ask(userId: UserId, method: 'GET' | 'PUT' | 'POST', uri: string, body?: object): Promise<Reply> {
    const reply: WireReply = await this.#running().serve({
      destination: this.name,
      method,
      uri,
      authorization: `Bearer ${userId}`,
      body: body === undefined ? null : JSON.stringify(body),
      timeoutMs: 0,
      bytesMax: Number.POSITIVE_INFINITY,
      signal: null,
    })
    if (reply.outcome !== 'answered') throw new Error(reply.outcome)
    return { status: reply.status, body: JSON.parse(Buffer.from(reply.body).toString()) }
  }

  /** Dies after so many further uses of its database. */
  crashAfter(uses: number): void {
    this.#running().store.crashAfter(uses)
  }

  /** Closes what a dead process left behind, as its operating system would. */
  async bury(): Promise<void> {
    const life = this.#running()
    this.#life = null
    await life.store.onDisk[Symbol.asyncDispose]()
  }

  /** Ends without a crash. */
  async stop(): Promise<void> {
    this.#running().silence()
    this.#deps.network.detach(this.name)
    await this.bury()
  }

  #crash(): void {
    this.crashes += 1
    this.#running().silence()
    this.#deps.network.detach(this.name)
    this.#deps.onCrash(this)
  }

  #running(): Life {
    if (this.#life === null) throw new Error(`${this.name} isn't running`)
    return this.#life
  }
}

function settings(name: ServerName, dataDir: string): object {
  return {
    server_name: name,
    public_baseurl: `https://${name}`,
    data_dir: dataDir,
    rate_limits: false,
    federation: { retry: { base_ms: 1_000, max_ms: 20_000 } },
    presence: false,
  }
}
