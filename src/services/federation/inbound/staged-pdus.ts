import type { RoomId, ServerName } from '#core/ids.ts'
import { EVENT_DEPTH_MAX, parseJson } from '#core/json/parse.ts'
import { isJsonObject, type JsonObject } from '#core/json/value.ts'
import { leftOf, NO_SPAN, type Span } from '#services/time/span.ts'
import type { Timers } from '#services/time/timers.ts'
import type { Store } from '#store/store.ts'
import type { StagedPdu } from '#store/types/inbound.ts'

/** What is worked on at one time: the staged events of one server in one room each. */
export const STAGED_AT_ONCE_MAX = 10
/** Of one server. */
export const STAGED_AT_ONCE_PER_ORIGIN_MAX = 4
/** Staged events that are read at once. */
const READ_PDUS_MAX = 50
/** Staged events of one server; further ones are refused, as they can be had again later. */
export const STAGED_PER_ORIGIN_MAX = 1_000
/** What could not be judged for so long is given up. */
export const STAGED_AGE_MS_MAX = 3 * 24 * 60 * 60 * 1_000

export type RetryDelays = { readonly baseMs: number; readonly maxMs: number }

type Deps = {
  readonly store: Store
  readonly clock: () => number
  readonly timers: Timers
  readonly retry: RetryDelays
  readonly onError: (error: unknown) => void
  /**
   * Judges one staged event; `mayAsk` says whether what it lacks may be asked for. False where it still can't be judged.
   */
  readonly judge: (pdu: JsonObject, staged: StagedPdu, mayAsk: boolean) => Promise<boolean>
}

/** The staged events of one server in one room. */
type Lane = {
  readonly roomId: RoomId
  readonly origin: ServerName
  state: 'resting' | 'waiting' | 'working'
  /** There is news for what is being worked on. */
  isWantedAgain: boolean
  /** Rounds in vain, and when the next one may ask others again. */
  attempts: number
  pause: Span
  /** The last event that asking did not help. The next round asks for those behind it, or one could hold up all others. */
  askedInVain: number
  cancelTimer: () => void
}

/**
 * Events that were taken over from other servers but lack others: kept on disk, and worked on in the order in which they
 * came. What can't be judged waits, longer from time to time, and holds up neither other rooms nor what other servers
 * sent for the same room.
 */
export class StagedPdus {
  readonly #deps: Deps
  /** Those with staged events, by room. */
  readonly #lanes = new Map<RoomId, Map<ServerName, Lane>>()
  readonly #waiting: Lane[] = []
  readonly #working = new Map<ServerName, number>()
  #active = 0
  readonly #idle: (() => void)[] = []
  #isClosed = false

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Goes on with what an earlier run left. */
  async resume(): Promise<void> {
    for (let afterId = 0; ; ) {
      const staged = await this.#deps.store.read((tx) => tx.inbound.staged(READ_PDUS_MAX, { afterId }))
      for (const { roomId, origin } of staged) this.added(roomId, origin)
      const last = staged.at(-1)
      if (last === undefined) return
      afterId = last.id
    }
  }

  /** Events of a room have been staged. */
  added(roomId: RoomId, origin: ServerName): void {
    const lanes = this.#lanes.get(roomId) ?? new Map<ServerName, Lane>()
    this.#lanes.set(roomId, lanes)
    const lane = lanes.get(origin) ?? newLane(roomId, origin)
    lanes.set(origin, lane)
    this.#kick(lane)
  }

  /** The room has got an event that staged ones may have waited for. */
  arrived(roomId: RoomId): void {
    for (const lane of this.#lanes.get(roomId)?.values() ?? []) this.#kick(lane)
  }

  /** Resolves when nothing is under way; what waits for its time is left. */
  async idle(): Promise<void> {
    if (this.#active + this.#waiting.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /** Ends all waiting, and resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#waiting.length = 0
    for (const lanes of this.#lanes.values()) for (const { cancelTimer } of lanes.values()) cancelTimer()
    if (this.#active > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  #kick(lane: Lane): void {
    if (this.#isClosed) return
    if (lane.state === 'working') lane.isWantedAgain = true
    if (lane.state !== 'resting') return
    lane.state = 'waiting'
    this.#waiting.push(lane)
    this.#next()
  }

  #next(): void {
    while (this.#active < STAGED_AT_ONCE_MAX) {
      const index = this.#waiting.findIndex(({ origin }) => this.#workingFor(origin) < STAGED_AT_ONCE_PER_ORIGIN_MAX)
      const [lane] = index < 0 ? [] : this.#waiting.splice(index, 1)
      if (lane === undefined) break
      lane.state = 'working'
      this.#count(lane.origin, 1)
      void this.#work(lane)
        .catch(this.#deps.onError)
        .finally(() => {
          this.#count(lane.origin, -1)
          lane.state = 'resting'
          if (lane.isWantedAgain) this.#kick(lane)
          this.#next()
          if (this.#active === 0) for (const resolve of this.#idle.splice(0)) resolve()
        })
    }
  }

  #workingFor(origin: ServerName): number {
    return this.#working.get(origin) ?? 0
  }

  #count(origin: ServerName, change: number): void {
    this.#active += change
    const count = this.#workingFor(origin) + change
    if (count === 0) this.#working.delete(origin)
    else this.#working.set(origin, count)
  }

  async #work(lane: Lane): Promise<void> {
    lane.isWantedAgain = false
    const isOver = lane.askedInVain > 0
    let left = await this.#round(lane)
    // Nothing was left to ask for behind it: the first ones have their turn again.
    if (left > 0 && isOver && leftOf(lane.pause, this.#deps.clock()) === 0) {
      lane.askedInVain = 0
      left = await this.#round(lane)
    }
    if (left === 0 && !lane.isWantedAgain && !this.#isClosed) this.#forget(lane)
  }

  /** Looks at all staged events of a lane; says how many are left. */
  async #round(lane: Lane): Promise<number> {
    const { roomId, origin } = lane
    const { store, clock } = this.#deps
    /** The server could not help in this round: what else it sent waits too. */
    let hasFailed = false
    let left = 0
    for (let afterId = 0; !this.#isClosed; ) {
      const staged = await store.read((tx) => tx.inbound.staged(READ_PDUS_MAX, { roomId, origin, afterId }))
      for (const pdu of staged) {
        if (this.#isClosed) break
        const mayAsk: boolean = !hasFailed && pdu.id > lane.askedInVain && leftOf(lane.pause, clock()) === 0
        if (await this.#judge(lane, pdu, mayAsk)) continue
        left += 1
        hasFailed ||= mayAsk
      }
      const last = staged.at(-1)
      if (last === undefined) break
      afterId = last.id
    }
    return left
  }

  /** False where the event stays staged. */
  async #judge(lane: Lane, staged: StagedPdu, mayAsk: boolean): Promise<boolean> {
    const { store, clock, judge } = this.#deps
    const json = readStaged(staged.json)
    const isDone = json === null || (await judge(json, staged, mayAsk))
    if (isDone || clock() - staged.receivedTs > STAGED_AGE_MS_MAX) {
      if (isDone && mayAsk) lane.attempts = 0
      await store.write((tx) => tx.inbound.unstage([staged.id]))
      return true
    }
    if (mayAsk) {
      lane.askedInVain = staged.id
      this.#wait(lane)
    }
    return false
  }

  #wait(lane: Lane): void {
    const { clock, timers, retry } = this.#deps
    const delay = Math.min(retry.baseMs * 2 ** lane.attempts, retry.maxMs)
    lane.attempts += 1
    lane.pause = { sinceTs: clock(), ms: delay }
    lane.cancelTimer()
    if (!this.#isClosed) lane.cancelTimer = timers.after(delay, () => this.#kick(lane))
  }

  #forget({ roomId, origin, cancelTimer }: Lane): void {
    cancelTimer()
    const lanes = this.#lanes.get(roomId)
    lanes?.delete(origin)
    if (lanes?.size === 0) this.#lanes.delete(roomId)
  }
}

function newLane(roomId: RoomId, origin: ServerName): Lane {
  return {
    roomId,
    origin,
    state: 'resting',
    isWantedAgain: false,
    attempts: 0,
    pause: NO_SPAN,
    askedInVain: 0,
    cancelTimer: () => {},
  }
}

function readStaged(text: string): JsonObject | null {
  const json = parseJson(Buffer.from(text), { depthMax: EVENT_DEPTH_MAX, lossless: true })
  return isJsonObject(json) ? json : null
}
