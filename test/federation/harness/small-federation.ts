/** A few Hearths in one process, each with its own database, whose requests to each other take no sockets. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { parseConfig } from '#config/load.ts'
import type { DeviceId, EventId, RoomId, ServerName, UserId } from '#core/ids.ts'
import { parseJson } from '#core/json/parse.ts'
import type { Caller } from '#kit/caller.ts'
import { CallerTurns } from '#kit/caller-turns.ts'
import { discoverEndpoints } from '#kit/discover.ts'
import { LongPolls } from '#kit/long-polls.ts'
import type { Services } from '#kit/services.ts'
import type { WireReply, WireRequest } from '#services/federation/transport/transport.ts'
import { realTimers, type Timers } from '#services/time/timers.ts'
import { openStore } from '#store/sql/open.ts'
import type { Store } from '#store/store.ts'
import { endpointServer, InMemoryNetwork, type WireServer } from '#test/federation/in-memory-network.ts'
import { type OpenServices, openServices } from '../../../src/server.ts'

const endpoints = await discoverEndpoints()

// biome-ignore lint/suspicious/noExplicitAny: answers of every shape
export type Reply = { readonly status: number; readonly body: any }

/** What a test does with a request between servers: null lets it pass. */
export type Interception = (from: ServerName, request: WireRequest) => WireReply | Promise<WireReply | null> | null

export class SmallFederation implements AsyncDisposable {
  /** Every request between servers, as `method path`, in order. */
  readonly asked: { readonly from: ServerName; readonly to: ServerName; readonly line: string }[] = []
  /** Failures in the background, and answers of 500. */
  readonly defects: unknown[] = []
  intercept: Interception = () => null
  readonly network: InMemoryNetwork
  readonly #folder = mkdtempSync(join(tmpdir(), 'hearth-federation-'))
  readonly #members: Member[] = []
  #now = 1_700_000_000_000

  readonly #underWay = new Set<Promise<unknown>>()
  #isOver = false

  constructor() {
    this.network = new InMemoryNetwork(async (from, request, deliver) => {
      if (this.#isOver) return { outcome: 'unreachable', reason: 'the test is over' }
      this.asked.push({ from, to: request.destination, line: `${request.method} ${request.uri}` })
      const reply = Promise.resolve(this.intercept(from, request)).then((changed) => changed ?? deliver())
      this.#underWay.add(reply)
      return reply.finally(() => this.#underWay.delete(reply))
    })
  }

  /** Each reading is a millisecond later than the one before. */
  clock(): number {
    this.#now += 1
    return this.#now
  }

  advance(ms: number): void {
    this.#now += ms
  }

  /** `settings` are those of the configuration file, over those made for tests. */
  async server(name: string, settings: object = {}, timers: Timers = realTimers): Promise<Member> {
    const member = new Member(this, name as ServerName, join(this.#folder, name), settings, timers)
    await member.start()
    this.#members.push(member)
    return member
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay)
    for (const member of this.#members) await member.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** One of the servers. */
export class Member {
  readonly name: ServerName
  readonly #federation: SmallFederation
  readonly #dataDir: string
  readonly #settings: object
  readonly #timers: Timers
  readonly #callers = new Map<string, Caller>()
  #opened: OpenServices | null = null
  #store: Store | null = null
  #serve: WireServer = () => Promise.reject(new Error('The server is not running'))

  constructor(federation: SmallFederation, name: ServerName, dataDir: string, settings: object, timers: Timers) {
    this.name = name
    this.#settings = settings
    this.#timers = timers
    this.#federation = federation
    this.#dataDir = dataDir
  }

  get services(): Services {
    return this.#opened!.services
  }

  get store(): Store {
    return this.#store!
  }

  async start(): Promise<void> {
    const federation = this.#federation
    mkdirSync(this.#dataDir, { recursive: true, mode: 0o700 })
    const own = { server_name: this.name, data_dir: this.#dataDir, rate_limits: false, presence: false }
    const settings = { ...own, ...this.#settings }
    const surroundings = { source: 'test', folder: this.#dataDir, environment: {} }
    const config = parseConfig(JSON.stringify(settings), surroundings)
    const complain = (error: unknown) => federation.defects.push(error)
    this.#opened = await openServices(config, {
      clock: () => federation.clock(),
      timers: this.#timers,
      randomBytes,
      log: pino({ level: 'error' }, { write: complain }),
      transport: federation.network.transportOf(this.name),
      openStore: async (options) => {
        this.#store = await openStore(options)
        return this.#store
      },
    })
    const { services } = this.#opened
    const served = endpoints.filter(({ resource }) => resource === 'client' || resource === 'federation')
    this.#serve = endpointServer(
      served.map(({ endpoint }) => endpoint),
      {
        services,
        authenticate: async (token) => this.#callers.get(token)!,
        authenticateServer: (request) => services.federation.requestAuthenticator.authenticate(request),
        limiter: services.limiter,
        serverLimiter: services.serverLimiter,
        longPolls: new LongPolls(services.sessions),
        callerTurns: new CallerTurns(),
      },
      complain,
    )
    federation.network.attach(this.name, this.#serve)
  }

  async stop(): Promise<void> {
    this.#federation.network.detach(this.name)
    await this.#opened?.[Symbol.asyncDispose]()
    this.#opened = null
  }

  /** From now on no other server reaches it. */
  hide(): void {
    this.#federation.network.detach(this.name)
  }

  /** Others reach it again. */
  show(): void {
    this.#federation.network.attach(this.name, this.#serve)
  }

  async user(localpart: string, isGuest = false): Promise<User> {
    const userId = `@${localpart}:${this.name}` as UserId
    const deviceId = 'DEVICE' as DeviceId
    const userNid = await this.store.write(async (tx) => {
      const nid = await tx.users.intern(userId)
      await tx.accounts.create({ userNid: nid, guest: isGuest, admin: false, passwordHash: null, createdTs: 1 })
      await tx.devices.create(nid, { deviceId, displayName: null, createdTs: 1 })
      return nid
    })
    this.#callers.set(userId, { userId, userNid, deviceId, isGuest, isAdmin: false, accessTokenHash: userId })
    return new User(this, userId)
  }

  async ask(userId: UserId, method: 'GET' | 'PUT' | 'POST', uri: string, body?: object): Promise<Reply> {
    const reply = await this.#serve({
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
    return { status: reply.status, body: parseJson(Buffer.from(reply.body), { depthMax: 200, lossless: false }) }
  }

  /** An event of the room's current state; undefined for none. */
  async state(roomId: RoomId, type: string, stateKey = '') {
    return this.store.read(async (tx) => {
      const room = await tx.rooms.byId(roomId)
      const nid = room === null ? null : await tx.state.currentOne(room.nid, type, stateKey)
      return nid === null ? undefined : (await tx.events.byNids([nid])).get(nid)?.event
    })
  }

  /** Resolves when this server sees the user that way, whenever it hears of it. */
  sees(roomId: RoomId, userId: UserId, membership: string): Promise<void> {
    return this.until(async () => (await this.membership(roomId, userId)) === membership)
  }

  /** Resolves when something holds of what this server has stored. */
  async until(holds: () => Promise<boolean>): Promise<void> {
    while (!(await holds())) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const end = this.store.onCommit(() => resolve())
      if (!(await holds())) await promise
      end()
    }
  }

  async membership(roomId: RoomId, userId: UserId): Promise<unknown> {
    return (await this.state(roomId, 'm.room.member', userId))?.content['membership']
  }
}

/** Three servers with a user each. */
export async function threeServers() {
  const federation = new SmallFederation()
  const a = await federation.server('a.test')
  const b = await federation.server('b.test')
  const c = await federation.server('c.test')
  const [alice, bob, carol] = [await a.user('alice'), await b.user('bob'), await c.user('carol')]
  return { federation, a, b, c, alice, bob, carol }
}

/** A user's client. Paths leave out `/_matrix/client/v3`. */
export class User {
  readonly server: Member
  readonly userId: UserId

  constructor(server: Member, userId: UserId) {
    this.server = server
    this.userId = userId
  }

  get(path: string): Promise<Reply> {
    return this.server.ask(this.userId, 'GET', `/_matrix/client/v3${path}`)
  }

  post(path: string, body: object = {}): Promise<Reply> {
    return this.server.ask(this.userId, 'POST', `/_matrix/client/v3${path}`, body)
  }

  put(path: string, body: object): Promise<Reply> {
    return this.server.ask(this.userId, 'PUT', `/_matrix/client/v3${path}`, body)
  }

  async createRoom(request: object): Promise<RoomId> {
    const reply = await this.post('/createRoom', request)
    if (reply.status !== 200) throw new Error(JSON.stringify(reply))
    return reply.body.room_id
  }

  join(roomId: RoomId, ...via: readonly Member[]): Promise<Reply> {
    return this.post(`/join/${encodeURIComponent(roomId)}?${via.map(({ name }) => `via=${name}`).join('&')}`)
  }

  room(roomId: RoomId, action: string, body: object = {}): Promise<Reply> {
    return this.post(`/rooms/${encodeURIComponent(roomId)}/${action}`, body)
  }

  setState(roomId: RoomId, type: string, content: object, stateKey = ''): Promise<Reply> {
    return this.put(`/rooms/${encodeURIComponent(roomId)}/state/${type}/${encodeURIComponent(stateKey)}`, content)
  }

  #txn = 0
  async say(roomId: RoomId, body: string): Promise<EventId> {
    this.#txn += 1
    const path = `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${this.#txn}`
    const reply = await this.put(path, { msgtype: 'm.text', body })
    if (reply.status !== 200) throw new Error(JSON.stringify(reply))
    return reply.body.event_id
  }

  /** What a fresh sync says. */
  async sync() {
    return (await this.get('/sync')).body
  }
}
