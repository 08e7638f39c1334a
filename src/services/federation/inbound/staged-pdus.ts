import type { RoomId, ServerName } from '#core/ids.ts'
import { EVENT_DEPTH_MAX, parseJson } from '#core/json/parse.ts'
import { isJsonObject, type JsonObject } from '#core/json/value.ts'
import type { Timers } from '#services/timers.ts'
import type { Store } from '#store/store.ts'
import type { StagedPdu } from '#store/types/inbound.ts'

/** Rooms in which staged events are worked on at one time. */
const ROOMS_AT_ONCE_MAX = 10
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

type Retry = { readonly attempts: number; readonly nextTs: number }

/**
 * Events that were taken over from other servers but lack others: kept on disk, and worked on room by room, in the order
 * in which they came. What can't be judged waits, longer from time to time, and holds up neither other rooms nor what
 * other servers sent for the same room.
 */
export class StagedPdus {
  readonly #deps: Deps
  /** Rooms that are worked on; true where there is news meanwhile. */
  readonly #working = new Map<RoomId, boolean>()
  readonly #waiting: RoomId[] = []
  #active = 0
  /** Rooms with staged events. */
  readonly #rooms = new Set<RoomId>()
  readonly #retries = new Map<string, Retry>()
  readonly #timers = new Map<RoomId, () => void>()
  readonly #idle: (() => void)[] = []
  #isClosed = false

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Goes on with what an earlier run left. */
  async resume(): Promise<void> {
    for (let afterId = 0; ; ) {
      const staged = await this.#deps.store.read((tx) => tx.inbound.staged(READ_PDUS_MAX, { afterId }))
      for (const { roomId } of staged) this.added(roomId)
      const last = staged.at(-1)
      if (last === undefined) return
      afterId = last.id
    }
  }

  /** Events of a room have been staged. */
  added(roomId: RoomId): void {
    this.#rooms.add(roomId)
    this.#kick(roomId)
  }

  /** The room has got an event that staged ones may have waited for. */
  arrived(roomId: RoomId): void {
    if (this.#rooms.has(roomId)) this.#kick(roomId)
  }

  /** Resolves when nothing is under way; what waits for its time is left. */
  async idle(): Promise<void> {
    if (this.#working.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /** Ends all waiting, and resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#waiting.length = 0
    for (const cancel of this.#timers.values()) cancel()
    for (const roomId of [...this.#working.keys()]) this.#working.set(roomId, false)
    if (this.#active > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  #kick(roomId: RoomId): void {
    if (this.#isClosed) return
    if (this.#working.has(roomId)) this.#working.set(roomId, true)
    else {
      this.#working.set(roomId, false)
      this.#waiting.push(roomId)
      this.#next()
    }
  }

  #next(): void {
    while (this.#active < ROOMS_AT_ONCE_MAX) {
      const roomId = this.#waiting.shift()
      if (roomId === undefined) break
      this.#active += 1
      void this.#work(roomId)
        .catch(this.#deps.onError)
        .finally(() => {
          this.#active -= 1
          const again = this.#working.get(roomId) === true
          this.#working.delete(roomId)
          if (again) this.#kick(roomId)
          this.#next()
          if (this.#active === 0) for (const resolve of this.#idle.splice(0)) resolve()
        })
    }
  }

  async #work(roomId: RoomId): Promise<void> {
    /** Servers that could not help in this round: what else they sent waits too. */
    const failed = new Set<ServerName>()
    let left = 0
    for (let afterId = 0; !this.#isClosed; ) {
      const staged = await this.#deps.store.read((tx) => tx.inbound.staged(READ_PDUS_MAX, { roomId, afterId }))
      for (const pdu of staged) {
        if (this.#isClosed) return
        if (!(await this.#judge(pdu, failed))) left += 1
      }
      const last = staged.at(-1)
      if (last === undefined) break
      afterId = last.id
    }
    if (left === 0) this.#rooms.delete(roomId)
  }

  /** False where the event stays staged. */
  async #judge(staged: StagedPdu, failed: Set<ServerName>): Promise<boolean> {
    const { store, clock, judge } = this.#deps
    const { id, roomId, origin } = staged
    const key = `${roomId} ${origin}`
    const retry = this.#retries.get(key)
    const mayAsk = !failed.has(origin) && (retry === undefined || retry.nextTs <= clock())
    const json = readStaged(staged.json)
    const isDone = json === null || (await judge(json, staged, mayAsk))
    if (isDone || clock() - staged.receivedTs > STAGED_AGE_MS_MAX) {
      if (isDone && mayAsk) this.#retries.delete(key)
      await store.write((tx) => tx.inbound.unstage([id]))
      return true
    }
    if (mayAsk) {
      failed.add(origin)
      this.#wait(roomId, key, retry?.attempts ?? 0)
    }
    return false
  }

  #wait(roomId: RoomId, key: string, attempts: number): void {
    const { clock, timers, retry } = this.#deps
    const delay = Math.min(retry.baseMs * 2 ** attempts, retry.maxMs)
    this.#retries.set(key, { attempts: attempts + 1, nextTs: clock() + delay })
    this.#timers.get(roomId)?.()
    if (!this.#isClosed)
      this.#timers.set(
        roomId,
        timers.after(delay, () => this.#kick(roomId)),
      )
  }
}

function readStaged(text: string): JsonObject | null {
  const json = parseJson(Buffer.from(text), { depthMax: EVENT_DEPTH_MAX, lossless: true })
  return isJsonObject(json) ? json : null
}
