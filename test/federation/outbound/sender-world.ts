/** A federation sender on a real database, between a log that tests write and servers that do as tests say. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { signerFromSeed } from '#core/event/sign.ts'
import type { ServerName, UserId } from '#core/ids.ts'
import { FederationSender } from '#services/federation/outbound/federation-sender.ts'
import { BackOff } from '#services/federation/transport/back-off.ts'
import { FederationClient } from '#services/federation/transport/federation-client.ts'
import type { WireReply, WireRequest } from '#services/federation/transport/transport.ts'
import { EphemeralSequence } from '#services/log/ephemeral-sequence.ts'
import { LogFollowers } from '#services/log/log-followers.ts'
import { PresenceService } from '#services/presence/presence-service.ts'
import { TypingService } from '#services/typing/typing-service.ts'
import { openStore } from '#store/sql/open.ts'
import type { Store } from '#store/store.ts'
import { type ManualTime, manualTime } from '#test/harness/manual-time.ts'
import { QUIET_LOG } from '#test/store/harness.ts'
import { ALICE, RoomFixture } from '#test/store/rooms/room-fixture.ts'

export const HERE = 'hearth.example' as ServerName
export const RETRY = { baseMs: 600_000, maxMs: 7 * 24 * 3_600_000 }

export const answer = (status: number, body = '{"pdus":{}}', retryAfterMs: number | null = null): WireReply => ({
  outcome: 'answered',
  status,
  retryAfterMs,
  body: Buffer.from(body),
})
export const OK = answer(200)
export const DOWN: WireReply = { outcome: 'unreachable', reason: 'down' }

export type Received = {
  readonly txnId: string
  readonly pdus: readonly { readonly type: string; readonly content: { readonly body?: string } }[]
  readonly edus: readonly { readonly edu_type: string; readonly content: never }[]
}

/** Another server: what it answers, and what it has taken. */
export type Peer = {
  /** Called with each request; by default it takes everything. */
  reply: (request: WireRequest) => WireReply | Promise<WireReply>
  /** What it answered with 200 to. */
  readonly received: Received[]
  /** Requests that reached it or failed to. */
  tries: number
  underWay: number
  underWayMost: number
}

export type SenderWorld = AsyncDisposable & {
  readonly time: ManualTime
  readonly store: Store
  readonly typing: TypingService
  readonly presence: PresenceService
  readonly backOff: BackOff
  readonly sender: FederationSender
  readonly dropped: readonly (readonly [ServerName, number])[]
  peer(server: ServerName | UserId): Peer
  /** The bodies of all messages that the server has taken, in order. */
  bodies(server: ServerName): string[]
  /** Ends the process and starts another; with `crash`, without a word to the database. */
  restart(crash?: boolean): Promise<void>
  /** Resolves when nothing moves any more but what waits for the time or for an answer. */
  settled(): Promise<void>
  until(condition: () => boolean): Promise<void>
}

const TURNS_MAX = 20_000
/** So long may a single use of the database take, in turns of the event loop. */
const QUIET_TURNS = 25

export async function senderWorld(): Promise<SenderWorld> {
  const dataDir = await mkdtemp(join(tmpdir(), 'hearth-sender-'))
  const time = manualTime()
  const peers = new Map<ServerName, Peer>()
  const dropped: [ServerName, number][] = []
  const errors: unknown[] = []
  const onError = (error: unknown) => errors.push(error)
  let uses = 0

  function peer(server: ServerName | UserId): Peer {
    const name = server.slice(server.indexOf(':') + 1) as ServerName
    const known = peers.get(name) ?? { reply: () => OK, received: [], tries: 0, underWay: 0, underWayMost: 0 }
    peers.set(name, known)
    return known
  }

  async function exchange(request: WireRequest): Promise<WireReply> {
    const to = peer(request.destination)
    to.tries += 1
    to.underWay += 1
    to.underWayMost = Math.max(to.underWayMost, to.underWay)
    const aborted = new Promise<WireReply>((resolve) =>
      request.signal?.addEventListener('abort', () => resolve({ outcome: 'aborted' })),
    )
    const reply = await Promise.race([to.reply(request), aborted])
    to.underWay -= 1
    if (reply.outcome === 'answered' && reply.status === 200) {
      const { pdus, edus = [] } = JSON.parse(request.body ?? '')
      to.received.push({ txnId: request.uri.split('/').at(-1) ?? '', pdus, edus })
    }
    return reply
  }

  async function open() {
    const { clock, timers } = time
    const store = await openStore({ serverName: HERE, database: 'sqlite', dataDir, clock, log: QUIET_LOG })
    const counted: Store = {
      read: (fn) => {
        uses += 1
        return store.read(fn).finally(() => uses++)
      },
      write: (fn) => {
        uses += 1
        return store.write(fn).finally(() => uses++)
      },
      append: (append) => {
        uses += 1
        return store.append(append).finally(() => uses++)
      },
      fault: () => store.fault(),
      position: () => store.position(),
      onCommit: (listener) => store.onCommit(listener),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    }
    const backOff = new BackOff({ store: counted, retry: RETRY, clock, random: () => 1 / 3, onError })
    await backOff.load()
    const signer = signerFromSeed(HERE, 'a', new Uint8Array(32))
    const client = new FederationClient({ transport: { exchange }, backOff, signer })
    const sequence = new EphemeralSequence('e')
    const typing = new TypingService({ clock, timers, sequence })
    const followers = new LogFollowers({ store: counted, serverName: HERE, timers, onError })
    const presence = new PresenceService({ store: counted, followers, clock, timers, sequence, enabled: true, onError })
    let isOver = false
    // What a process that is gone would still write never comes to the disk.
    const own: Store = { ...counted, write: (fn) => (isOver ? Promise.reject(new Error('gone')) : counted.write(fn)) }
    const onOwnError = (error: unknown) => {
      if (!isOver) onError(error)
    }
    const ownFollowers = new LogFollowers({ store: own, serverName: HERE, timers, onError: onOwnError })
    const sender = await FederationSender.start({
      store: own,
      followers: ownFollowers,
      serverName: HERE,
      client,
      typing,
      presence,
      clock,
      timers,
      randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
      onError: onOwnError,
      onDropped: (server, count) => dropped.push([server, count]),
    })
    const close = async (crash: boolean) => {
      isOver = crash
      await sender.close()
      typing.close()
      await presence.close()
      await ownFollowers.close()
      await followers.close()
      await backOff.idle()
      await store[Symbol.asyncDispose]()
    }
    return { store: counted, backOff, typing, presence, sender, close }
  }

  async function until(condition: () => boolean): Promise<void> {
    for (let turn = 0; !condition(); turn++) {
      if (turn > TURNS_MAX) throw new Error('it never came to that')
      await setImmediate()
    }
    if (errors.length > 0) throw errors[0]
  }

  let running = await open()
  return {
    time,
    dropped,
    peer,
    until,
    get store() {
      return running.store
    },
    get typing() {
      return running.typing
    },
    get presence() {
      return running.presence
    },
    get backOff() {
      return running.backOff
    },
    get sender() {
      return running.sender
    },
    bodies: (server) =>
      peer(server).received.flatMap(({ pdus }) =>
        pdus.flatMap(({ type, content }) => (type === 'm.room.message' ? [content.body ?? ''] : [])),
      ),
    async restart(crash = false) {
      await running.close(crash)
      running = await open()
    },
    async settled() {
      let quiet = 0
      let [lastUses, lastTries] = [-1, -1]
      await until(() => {
        const tries = [...peers.values()].reduce((sum, one) => sum + one.tries + one.received.length, 0)
        quiet = uses === lastUses && tries === lastTries ? quiet + 1 : 0
        ;[lastUses, lastTries] = [uses, tries]
        return quiet > QUIET_TURNS
      })
      await running.sender.idle()
    },
    async [Symbol.asyncDispose]() {
      await running.close(false)
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

export const userOf = (server: ServerName) => `@user:${server}` as UserId

/** A room of Alice's with a user of each of these servers. */
export async function roomWith({ store }: SenderWorld, ...servers: ServerName[]): Promise<RoomFixture> {
  const room = await RoomFixture.create(store)
  const members = servers.map((server) => room.member(userOf(server), 'join'))
  await room.append(store, [room.state('m.room.create', ''), room.member(ALICE, 'join'), ...members])
  return room
}

export const say = (world: SenderWorld, room: RoomFixture, ...bodies: string[]) =>
  room.append(
    world.store,
    bodies.map((body) => room.event({ content: { body } })),
  )
