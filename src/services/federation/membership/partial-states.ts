/** Rooms joined without their full state, which is fetched while they are used already. */
import type { RoomId, ServerName } from '#core/ids.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import type { Gatherer } from '#services/federation/inbound/gatherer.ts'
import type { InboundRoom } from '#services/federation/inbound/inbound-room.ts'
import { completeState } from '#services/federation/membership/state-completion.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import type { Timers } from '#services/timers.ts'
import type { RoomRow } from '#store/types/rooms.ts'

/** Between two rounds of asking all servers, growing up to the latter. */
const RETRY_MS_MIN = 10_000
const RETRY_MS_MAX = 3_600_000
/** Servers that are asked in one round. */
const SERVERS_MAX = 20

/** How long a read waits for a room to be whole. */
const WAIT_MS_MAX = 60_000

type Deps = {
  readonly context: RoomContext
  readonly gatherer: Pick<Gatherer, 'stateBefore'>
  readonly timers: Timers
  /** Told of a room whose state is whole now. */
  readonly onComplete: (roomId: RoomId) => void
  readonly onError: (error: unknown) => void
}

type Work = { readonly done: Promise<void>; readonly stop: AbortController }

export class PartialStates {
  readonly #deps: Deps
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
    if (this.#isClosed || this.#underWay.has(roomId)) return
    const stop = new AbortController()
    const done = this.#run(roomId, stop.signal)
      .catch(this.#deps.onError)
      .finally(() => this.#underWay.delete(roomId))
    this.#underWay.set(roomId, { done, stop })
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

  async #run(roomId: RoomId, stop: AbortSignal): Promise<void> {
    for (let retryMs = RETRY_MS_MIN; !stop.aborted; retryMs = Math.min(retryMs * 2, RETRY_MS_MAX)) {
      const room = await this.#deps.context.store.read((tx) => tx.rooms.byId(roomId))
      const rules = room === null ? undefined : ROOM_VERSIONS.get(room.version)
      if (room === null || rules === undefined || room.partial === null) return
      if (!room.isResident) {
        await this.#giveUp(room)
        return
      }
      if (await this.#round({ roomId, nid: room.nid, rules }, room.partial, stop)) {
        this.#deps.onComplete(roomId)
        return
      }
      await this.#pause(retryMs, stop)
    }
  }

  /** Asks the servers in the room in turn; whether one gave the state. */
  async #round(
    room: InboundRoom,
    { joinEvent, servers }: NonNullable<RoomRow['partial']>,
    stop: AbortSignal,
  ): Promise<boolean> {
    for (const server of await this.#servers(room, servers)) {
      if (stop.aborted) return false
      const full = await this.#deps.gatherer.stateBefore(room, joinEvent, [server])
      if (full !== null && !stop.aborted && (await completeState(this.#deps.context, room, joinEvent, full)))
        return true
    }
    return false
  }

  async #servers({ nid }: InboundRoom, told: readonly ServerName[]): Promise<ServerName[]> {
    const { store, serverName } = this.#deps.context
    const known = await store.read((tx) => tx.rooms.serversIn(nid))
    const all = new Set([...told, ...known.keys()])
    all.delete(serverName)
    return [...all].slice(0, SERVERS_MAX)
  }

  /** All of this server's users have left: the room isn't kept up any more. */
  async #giveUp({ nid }: RoomRow): Promise<void> {
    await this.#deps.context.store.write((tx) => tx.rooms.setPartial(nid, null))
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
