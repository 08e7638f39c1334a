/** Rooms joined without their full state, which is fetched while they are used already. */
import type { EventId, RoomId, ServerName } from '#core/ids.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import type { InboundRoom } from '#services/federation/inbound/inbound-room.ts'
import type { RemoteStates } from '#services/federation/inbound/remote-states.ts'
import { completeState } from '#services/federation/membership/state-completion.ts'
import type { BackOff } from '#services/federation/transport/back-off.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import type { Timers } from '#services/time/timers.ts'
import type { PartialState } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'

/** Between two rounds of asking all servers, growing up to the latter. */
const RETRY_MS_MIN = 10_000
const RETRY_MS_MAX = 3_600_000
/** Servers that are asked in one round. */
const SERVERS_MAX = 20
/** Tries after which earlier membership periods stay incomplete, and a room that all have left is given up. */
const ROUNDS_FOR_THE_PAST_MAX = 6

/** How long a read waits for a room to be whole. */
const WAIT_MS_MAX = 60_000

type Deps = {
  readonly context: RoomContext
  readonly states: Pick<RemoteStates, 'before'>
  readonly backOff: Pick<BackOff, 'reachableFirst'>
  readonly timers: Timers
  /** Told of a room whose state is whole now. */
  readonly onComplete: (roomId: RoomId) => void
  readonly onError: (error: unknown) => void
}

type Work = {
  readonly done: Promise<void>
  readonly stop: AbortController
  /** The room was joined once more meanwhile. */
  isWantedAgain: boolean
}

export class PartialStates {
  readonly #deps: Deps
  /** What this has done since the start. */
  readonly counters = { completed: 0 }
  readonly #underWay = new Map<RoomId, Work>()
  #isClosed = false

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Goes on with what an earlier run left. */
  async resume(): Promise<void> {
    const rooms = await this.#deps.context.store.read((tx) => tx.rooms.partialRooms())
    for (const { roomId } of rooms) this.complete(roomId)
  }

  /** Fetches a room's full state in the background, for as long as it takes. */
  complete(roomId: RoomId): void {
    if (this.#isClosed) return
    const before = this.#underWay.get(roomId)
    if (before !== undefined) {
      before.isWantedAgain = true
      return
    }
    const stop = new AbortController()
    const done = this.#run(roomId, stop.signal)
      .catch(this.#deps.onError)
      .finally(() => {
        this.#underWay.delete(roomId)
        if (work.isWantedAgain) this.complete(roomId)
      })
    const work = { done, stop, isWantedAgain: false }
    this.#underWay.set(roomId, work)
  }

  /**
   * Reads what needs all of a room's state: again, and once that is whole, where it was being fetched. What `read`
   * throws goes first, so that only those wait who may read.
   *
   * @throws M_UNKNOWN (504) where it takes too long, or `signal` aborts
   */
  async readWhole<T>(roomId: RoomId, signal: AbortSignal, read: () => Promise<T>): Promise<T> {
    const work = this.#underWay.get(roomId)
    const early = await read()
    if (work === undefined) return early
    const { promise, resolve } = Promise.withResolvers<'late'>()
    const end = () => resolve('late')
    const cancel = this.#deps.timers.after(WAIT_MS_MAX, end)
    signal.addEventListener('abort', end, { once: true })
    const outcome = signal.aborted ? 'late' : await Promise.race([work.done, promise])
    signal.removeEventListener('abort', end)
    cancel()
    if (outcome === 'late') throw new MatrixError('M_UNKNOWN', 'The members are still being fetched', { status: 504 })
    return read()
  }

  /** Resolves when no room is being completed: for tests. */
  async idle(): Promise<void> {
    await Promise.all([...this.#underWay.values()].map(({ done }) => done))
  }

  /** Ends all work; it is taken up again by the next run. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const { stop } of this.#underWay.values()) stop.abort()
    await this.idle()
  }

  /**
   * A room that all of this server's users have left is completed too: what came before that must be judged by the whole
   * state, as a later stay may build on it.
   */
  async #run(roomId: RoomId, stop: AbortSignal): Promise<void> {
    const states = new Map<EventId, StateId>()
    let retryMs = RETRY_MS_MIN
    for (let round = 1; !stop.aborted; round++) {
      const room = await this.#deps.context.store.read((tx) => tx.rooms.byId(roomId))
      const rules = room === null ? undefined : ROOM_VERSIONS.get(room.version)
      if (room === null || rules === undefined || room.partial === null) return
      const isLast = round >= ROUNDS_FOR_THE_PAST_MAX
      if (await this.#round({ roomId, nid: room.nid, rules }, room.partial, states, isLast, stop)) {
        this.counters.completed += 1
        this.#deps.onComplete(roomId)
        return
      }
      if (!room.isResident && isLast) return
      await this.#pause(retryMs, stop)
      retryMs = Math.min(retryMs * 2, RETRY_MS_MAX)
    }
  }

  /**
   * Asks the servers in the room in turn for the states before the joins; whether they gave what completes the room.
   * `states` is what they have given so far.
   */
  async #round(
    room: InboundRoom,
    { joinEvent, earlierJoins = [], servers }: PartialState,
    states: Map<EventId, StateId>,
    withoutThePast: boolean,
    stop: AbortSignal,
  ): Promise<boolean> {
    const joins = [...earlierJoins, joinEvent]
    for (const server of await this.#servers(room, servers)) {
      for (const join of joins) {
        if (stop.aborted) return false
        if (states.has(join)) continue
        const full = await this.#deps.states.before(room, join, [server])
        if (full !== null) states.set(join, full)
      }
      if (joins.every((join) => states.has(join))) break
    }
    if (stop.aborted || !states.has(joinEvent)) return false
    if (!withoutThePast && !joins.every((join) => states.has(join))) return false
    if (await completeState(this.#deps.context, room, states)) return true
    states.delete(joinEvent)
    return false
  }

  async #servers({ nid }: InboundRoom, told: readonly ServerName[]): Promise<ServerName[]> {
    const { store, serverName } = this.#deps.context
    const known = await store.read((tx) => tx.rooms.serversIn(nid))
    const all = new Set([...told, ...known.keys()])
    all.delete(serverName)
    return this.#deps.backOff.reachableFirst([...all]).slice(0, SERVERS_MAX)
  }

  #pause(ms: number, stop: AbortSignal): Promise<void> {
    if (stop.aborted) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#deps.timers.after(ms, resolve)
    stop.addEventListener('abort', () => {
      cancel()
      resolve()
    })
    return promise
  }
}
