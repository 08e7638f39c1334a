import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Signer } from '#core/event/sign.ts'
import type { EventId, RoomId, ServerName } from '#core/ids.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import { loadSigningKey } from '#services/signing/signing-key.ts'
import { Random } from '#test/generators/random.ts'
import { type Acknowledged, type ActionWorld, act, client, type Room, send } from '#test/simulation/actions.ts'
import { type Coverage, noCoverage } from '#test/simulation/coverage.ts'
import { type FaultRates, FaultyNetwork } from '#test/simulation/faulty-network.ts'
import { assertSameState, checkCopy, checkVisible, type RoomCopy, readCopy } from '#test/simulation/invariants.ts'
import { type Lie, lie } from '#test/simulation/lies.ts'
import { type Reply, SimulatedServer } from '#test/simulation/simulated-server.ts'
import { SyncReader } from '#test/simulation/sync-reader.ts'
import { VirtualTime } from '#test/simulation/virtual-time.ts'

/** A folder that is no disk, where there is one. */
const IN_MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
const START = 1_700_000_000_000
/** That must have come about before peace does. */
const EVENTS_MIN = 100
const ACTIONS_MAX = 1_500
const VERSIONS = [...ROOM_VERSIONS.keys()]
/** Longer than any pause between two tries, several times. */
const HEAL_MS = 90_000
const HEAL_ROUNDS = 3
/** Longer than any client waits. */
const ANSWER_MS_MAX = 300_000
const ANSWER_STEP_MS = 500
const REBOOT_MS_MAX = 3_000
/** After so many actions that came to nothing a room counts as dead. */
const DEAD_ACTIONS = 60
const e = encodeURIComponent

export type Result = {
  readonly coverage: Coverage
  readonly answers: ReadonlyMap<string, number>
  /** A hash of all that the servers said to each other, and when. */
  readonly trace: string
}

/**
 * Runs one seed: troubled times, then peace, then the promises. Throws where one is broken; `keepFolder` is told where
 * the databases are that show it, instead of their being removed.
 */
export async function simulate(seed: number, keepFolder?: (folder: string) => void): Promise<Result> {
  const world = new World(seed)
  let isBroken = true
  // By this, long work tells how long it has held the thread; here all work is done in no time.
  const { now } = performance
  performance.now = () => 0
  try {
    await world.run()
    const coverage = await world.coverage()
    isBroken = false
    return { coverage, answers: world.answers, trace: world.trace }
  } finally {
    await world.end()
    performance.now = now
    if (isBroken && keepFolder !== undefined) keepFolder(world.folder)
    else rmSync(world.folder, { recursive: true, force: true })
  }
}

class World {
  readonly answers = new Map<string, number>()
  readonly #seed: number
  readonly #random: Random
  readonly #time = new VirtualTime(START)
  readonly #network: FaultyNetwork
  readonly folder = mkdtempSync(join(IN_MEMORY, 'hearth-simulation-'))
  readonly #servers: SimulatedServer[] = []
  readonly #rooms: Room[] = []
  readonly #acknowledged: Acknowledged[] = []
  readonly #lies: Lie[] = []
  readonly #defects: unknown[] = []
  readonly #readers: SyncReader[] = []
  /** Servers none of whose users may say anything in a room, by room. */
  #mute: ReadonlyMap<RoomId, ReadonlySet<ServerName>> = new Map()
  #crashes = 0
  #transactions = 0
  /** Requests that made an event. */
  #changes = 0
  readonly #newTxnId = () => `t${++this.#transactions}`

  constructor(seed: number) {
    this.#seed = seed
    this.#random = new Random(seed)
    this.#network = new FaultyNetwork(new Random(seed ^ 0x5eed), this.#time, this.#faultRates())
  }

  async run(): Promise<void> {
    await this.#begin()
    await this.#trouble()
    await this.#heal()
    await this.#check()
  }

  async end(): Promise<void> {
    for (const server of this.#servers) {
      if (server.isUp) await server.stop()
    }
  }

  #faultRates(): FaultRates {
    const rate = (most: number) => (this.#random.chance(0.5) ? this.#random.between(0, most) / 100 : 0)
    return { lostRequest: rate(20), lostAnswer: rate(20), repeated: rate(20), late: rate(20) }
  }

  async #begin(): Promise<void> {
    const count = this.#random.between(3, 5)
    const bytes = new Random(this.#seed ^ 0xb17e5)
    for (let index = 0; index < count; index++) {
      const server = new SimulatedServer({
        name: `s${index}.test` as ServerName,
        folder: this.folder,
        time: this.#time,
        network: this.#network,
        randomBytes: (length) => Uint8Array.from({ length }, () => bytes.bits() & 0xff),
        onDefect: (error) => this.#defects.push(error),
        onCrash: (crashed) => this.#reboot(crashed),
      })
      this.#servers.push(server)
      await server.boot()
      for (const name of ['ann', 'ben']) await server.addUser(`${name}${index}`)
    }
    const [first] = this.#servers as [SimulatedServer]
    const version = VERSIONS[this.#seed % VERSIONS.length] as string
    const lobby = await this.#createRoom(first, VERSIONS.at(-2) as string, null)
    this.#rooms.push(await this.#createRoom(first, version, lobby.roomId), lobby)
    for (const server of this.#servers) {
      for (const user of server.users) this.#readers.push(new SyncReader(server, user))
    }
  }

  async #createRoom(server: SimulatedServer, version: string, lobby: RoomId | null): Promise<Room> {
    const user = server.users[0]!
    const body = { preset: 'public_chat', room_version: version, name: `seed ${this.#seed}` }
    const reply = await this.#answer(client({ server, user }, 'POST', '/createRoom', body))
    if (reply.status !== 200) throw new Error(`no room: ${JSON.stringify(reply)}`)
    return { roomId: reply.body.room_id, version, lobby }
  }

  async #trouble(): Promise<void> {
    const scene: ActionWorld = {
      random: this.#random,
      servers: this.#servers,
      rooms: this.#rooms,
      acknowledged: this.#acknowledged,
      newTxnId: this.#newTxnId,
      count: (action: string, status: number, change: boolean) => {
        if (change && status === 200) this.#changes += 1
        const key = `${action} ${status}`
        this.answers.set(key, (this.answers.get(key) ?? 0) + 1)
      },
    }
    await this.#joinMost()
    for (;;) {
      const lacking = EVENTS_MIN - (await this.#countEvents())
      if (lacking <= 0) break
      await this.#stir(scene, this.#changes + lacking)
    }
  }

  /** Lets people act until so many requests have made an event; some of what is answered with 200 changed nothing. */
  async #stir(scene: ActionWorld, changes: number): Promise<void> {
    const random = this.#random
    let lastUpdate = { actions: 0, changes: this.#changes }
    for (let actions = 0; this.#changes < changes; actions++) {
      if (actions > ACTIONS_MAX) throw new Error('nobody does anything any more')
      // Never awaited: it may be under way for long, or for ever.
      act(scene).catch((error) => this.#defects.push(error))
      if (lastUpdate.changes < this.#changes) lastUpdate = { actions, changes: this.#changes }
      if (actions - lastUpdate.actions > DEAD_ACTIONS) {
        lastUpdate = { ...lastUpdate, actions }
        this.#openRoom().catch((error) => this.#defects.push(error))
      }
      if (random.chance(0.05)) this.#lie().catch((error) => this.#defects.push(error))
      if (random.chance(0.008)) this.#crashSomebody()
      if (random.chance(0.03)) this.#network.cut(random.chance(0.4) ? [] : this.#someNames())
      if (random.chance(0.05))
        random
          .pick(this.#readers)
          .read()
          .catch((error) => this.#defects.push(error))
      await this.#time.pass(random.weighted({ none: 3, some: 6, much: 1 }) === 'none' ? 0 : random.between(1, 400))
      this.#throwDefects()
    }
  }

  /** Most users are in the rooms at first. */
  async #joinMost(): Promise<void> {
    for (const room of this.#rooms) {
      for (const server of this.#servers) {
        for (const user of server.users) {
          if (!this.#random.chance(0.7)) continue
          const via = e(this.#servers[0]!.name)
          const path = `/join/${e(room.roomId)}?via=${via}&server_name=${via}`
          client({ server, user }, 'POST', path, {}).catch((error) => this.#defects.push(error))
          await this.#time.pass(this.#random.between(1, 1_000))
        }
      }
    }
  }

  /** Where nobody may do anything any more, life goes on in another room. */
  async #openRoom(): Promise<void> {
    const server = this.#random.pick(this.#servers)
    if (!server.isUp) return
    const version = this.#random.pick(VERSIONS)
    const lobby = this.#rooms.at(-1)!.roomId
    const body = { preset: 'public_chat', room_version: version, name: 'another' }
    const reply = await client({ server, user: server.users[0]! }, 'POST', '/createRoom', body)
    if (reply.status === 200) this.#rooms.unshift({ roomId: reply.body.room_id, version, lobby })
  }

  async #lie(): Promise<void> {
    const random = this.#random
    const server = random.pick(this.#servers)
    if (!server.isUp) return
    const user = random.pick(server.users)
    const { roomId } = random.pick(this.#rooms)
    const others = this.#servers
    const told = await lie({ random, server, others, user, roomId, now: this.#time.now, newTxnId: this.#newTxnId })
    if (told !== null) this.#lies.push(told)
  }

  #someNames(): ServerName[] {
    const names = this.#random.shuffled(this.#servers.map(({ name }) => name))
    return names.slice(0, this.#random.between(1, names.length - 1))
  }

  #crashSomebody(): void {
    const server = this.#random.pick(this.#servers)
    if (server.isUp) server.crashAfter(this.#random.between(1, 30))
  }

  #reboot(server: SimulatedServer): void {
    this.#crashes += 1
    const pause = this.#random.between(1, REBOOT_MS_MAX)
    this.#time
      .sleep(pause)
      .then(() => server.bury())
      .then(() => server.boot())
      .catch((error) => this.#defects.push(error))
  }

  async #heal(): Promise<void> {
    this.#network.heal()
    await this.#time.pass(HEAL_MS)
    if (this.#servers.some((server) => !server.isUp)) throw new Error('a server never came back')
    for (let round = 0; round < HEAL_ROUNDS; round++) {
      const mute = new Map<RoomId, Set<ServerName>>()
      this.#mute = mute
      for (const room of this.#rooms) {
        const silent = new Set<ServerName>()
        mute.set(room.roomId, silent)
        for (const server of this.#servers) if (!(await this.#speak(server, room))) silent.add(server.name)
        await this.#time.pass(HEAL_MS)
      }
      this.#throwDefects()
    }
  }

  /**
   * The first local user who may says something, which takes the server's view of the room to the others. False where
   * nobody may.
   */
  async #speak(server: SimulatedServer, room: Room): Promise<boolean> {
    for (const user of server.users) {
      const scene = { server, user, room, acknowledged: this.#acknowledged, newTxnId: this.#newTxnId, count: () => {} }
      const reply = await this.#answer(send(scene, { msgtype: 'm.text', body: 'peace' }))
      if (reply.status === 200) return true
    }
    return false
  }

  async #check(): Promise<void> {
    const signers = new Map<ServerName, Signer>()
    const noBytes = () => {
      throw new Error('the key is there')
    }
    for (const { name } of this.#servers) signers.set(name, loadSigningKey(name, join(this.folder, name), noBytes))
    for (const room of this.#rooms) {
      const copies: RoomCopy[] = []
      for (const server of this.#servers) {
        const copy = await readCopy(server, room.roomId)
        if (copy === null) continue
        await this.#checkShown(copy)
        // What was shown may have been fetched for it.
        const fuller = (await readCopy(server, room.roomId))!
        await checkCopy(fuller, signers)
        copies.push(fuller)
      }
      await this.#checkAcknowledged(room, copies)
      this.#checkLies(copies)
      checkAgreement(copies.filter(({ server }) => !this.#mute.get(room.roomId)?.has(server.name)))
    }
    this.#throwDefects()
  }

  /** I3 and I8 for each user of the server. */
  async #checkShown(copy: RoomCopy): Promise<void> {
    const { server, row } = copy
    for (const user of server.users) {
      const shown: EventId[] = []
      let from = ''
      for (;;) {
        const path = `/rooms/${e(row.roomId)}/messages?dir=b&limit=100${from}`
        const page = await this.#answer(client({ server, user }, 'GET', path))
        if (page.status !== 200) break
        shown.push(...page.body.chunk.map(({ event_id }: { event_id: EventId }) => event_id))
        const next = page.body.end === undefined ? from : `&from=${e(page.body.end)}`
        // The same end again says that what is older can't be had for now.
        if (next === from) break
        from = next
      }
      const copyNow = (await readCopy(server, row.roomId))!
      await checkVisible(copyNow, user, shown)
      const reader = this.#readers.find((one) => one.user === user)
      await reader?.check(copyNow, shown.reverse())
    }
  }

  /** I1: what was acknowledged is there for good. */
  async #checkAcknowledged(room: Room, copies: readonly RoomCopy[]): Promise<void> {
    for (const { eventId, roomId, server } of this.#acknowledged) {
      if (roomId !== room.roomId) continue
      const home = copies.find((copy) => copy.server === server)
      const row = home?.events.get(eventId)
      if (row === undefined) throw new Error(`I1: ${server.name} has lost ${eventId}`)
      // What was sent before a joined room's members were known may prove to have been refused: by all, then.
      for (const copy of copies) {
        const there = copy.events.get(eventId)
        if (there === undefined || there.rejected === row.rejected) continue
        const [refusing, other] = there.rejected ? [copy, home!] : [home!, copy]
        const why = await whyRejected(refusing, eventId)
        throw new Error(`${refusing.server.name} rejects ${eventId}, ${other.server.name} does not: ${why}`)
      }
    }
  }

  /** What a room forbids, no server has taken. */
  #checkLies(copies: readonly RoomCopy[]): void {
    for (const { eventId } of this.#lies) {
      for (const { server, events, row } of copies) {
        const isTaken = events.get(eventId)?.rejected === false && row.partial === null
        if (isTaken) throw new Error(`${server.name} has taken ${eventId}, which the room forbids`)
      }
    }
  }

  /** Lets time pass until an answer comes. */
  async #answer(asked: Promise<Reply>): Promise<Reply> {
    const outcome: { reply?: Reply; error?: unknown } = {}
    asked.then(
      (reply) => {
        outcome.reply = reply
      },
      (error) => {
        outcome.error = error
      },
    )
    for (let waited = 0; waited < ANSWER_MS_MAX; waited += ANSWER_STEP_MS) {
      await this.#time.settle()
      if (outcome.reply !== undefined) return outcome.reply
      if (outcome.error !== undefined) throw outcome.error
      await this.#time.pass(ANSWER_STEP_MS)
    }
    throw new Error('a request was never answered')
  }

  #throwDefects(): void {
    if (this.#defects.length > 0) throw this.#defects[0]
  }

  /** Of all rooms, on the servers that are up. */
  async #countEvents(): Promise<number> {
    const found = new Set<EventId>()
    for (const server of this.#servers) {
      if (!server.isUp) continue
      for (const { roomId } of this.#rooms) {
        for (const eventId of (await readCopy(server, roomId))?.events.keys() ?? []) found.add(eventId)
      }
    }
    return found.size
  }

  get trace(): string {
    return this.#network.trace
  }

  async coverage(): Promise<Coverage> {
    const coverage = noCoverage()
    const { sent, lost, repeated, cut } = this.#network.requests
    coverage.requests = sent
    coverage.requestsLost = lost
    coverage.requestsRepeated = repeated
    coverage.requestsCut = cut
    coverage.crashes = this.#crashes
    for (const { inbound, joins } of this.#servers.flatMap(({ counted }) => counted)) {
      coverage.softFails += inbound.softFailed
      coverage.rejections += inbound.rejected
      coverage.unRejections += inbound.unrejected
      coverage.gapFills += inbound.gapsFilled
      coverage.backfills += inbound.backfilled
      coverage.partialJoins += joins.completed
    }
    coverage.events = await this.#countEvents()
    for (const room of this.#rooms) {
      const copies = await Promise.all(this.#servers.map((server) => readCopy(server, room.roomId)))
      for (const copy of copies) if (copy !== null) countForks(copy, coverage)
    }
    return coverage
  }
}

function whyRejected({ server, events }: RoomCopy, eventId: EventId): Promise<string | null> {
  return server.store.read((tx) => tx.events.rejectionReason(events.get(eventId)!.nid))
}

function countForks({ events }: RoomCopy, coverage: Coverage): void {
  const children = new Map<EventId, number>()
  for (const { event } of events.values()) {
    const states = new Set(event.prevEvents.map((eventId) => events.get(eventId)?.stateAfter))
    if (states.size > 1) coverage.conflicts += 1
    for (const eventId of event.prevEvents) children.set(eventId, (children.get(eventId) ?? 0) + 1)
  }
  for (const count of children.values()) if (count > 1) coverage.forks += 1
}

/** Servers that see each other in the room, and that may tell each other where they stand, have the same room. */
function checkAgreement(copies: readonly RoomCopy[]): void {
  const resident = copies.filter(({ row }) => row.isResident)
  for (const [index, one] of resident.entries()) {
    for (const other of resident.slice(index + 1)) {
      if (!one.servers.has(other.server.name) || !other.servers.has(one.server.name)) continue
      const names = `${one.row.roomId} on ${other.server.name} against ${one.server.name}`
      assertSameState(other.state, one.state, `the state of ${names}`)
    }
  }
}
