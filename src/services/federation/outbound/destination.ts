import type { ServerName } from '#core/ids.ts'
import { isJsonObject, type JsonObject } from '#core/json/value.ts'
import type { DueEvent } from '#services/federation/outbound/due-event.ts'
import { PendingEdus } from '#services/federation/outbound/pending-edus.ts'
import type { RecentPdus } from '#services/federation/outbound/recent-pdus.ts'
import type { SendSlots, Turn } from '#services/federation/outbound/send-slots.ts'
import {
  TRANSACTION_EDUS_MAX,
  TRANSACTION_PDUS_MAX,
  type Transaction,
  transactionOf,
} from '#services/federation/outbound/transaction.ts'
import type { FederationClient, FederationReply } from '#services/federation/transport/federation-client.ts'
import { leftOf, NO_SPAN } from '#services/time/span.ts'
import type { Timers } from '#services/time/timers.ts'
import type { Store } from '#store/store.ts'
import type { MissedEvent, QueuedEdu } from '#store/types/outbound.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** How many events wait in memory for a server that keeps up. One that doesn't gets the newest of each room later. */
export const QUEUE_MAX = 200
/** For everything from looking the server up to its answer. */
export const SEND_TIMEOUT_MS = 60_000
/** Pauses after refusals: the first, doubling, and the longest. */
const REFUSED_PAUSE_MS = 60_000
const REFUSED_PAUSE_MS_MAX = 3_600_000
/** So many times a single item is sent that is refused. */
export const REFUSALS_MAX = 5
const BUSY_PAUSE_MS = 5_000
/** The longest answer that is read. */
const ANSWER_BYTES_MAX = 1_000_000

export type DestinationDeps = {
  readonly store: Store
  readonly pdus: RecentPdus
  readonly serverName: ServerName
  readonly client: Pick<FederationClient, 'request' | 'backOff'>
  readonly clock: () => number
  readonly timers: Timers
  /** Of servers that answer, and of those that failed last time. */
  readonly slots: { readonly healthy: SendSlots; readonly failing: SendSlots }
  /** Never the same twice, restarts included. */
  readonly newTxnId: () => string
  readonly signal: AbortSignal
  readonly onError: (error: unknown) => void
  /** Something that can't be sent was left out, or something that this server doesn't take. */
  readonly onDropped: (server: ServerName, count: number) => void
  /** There is nothing left to do for it. */
  readonly onIdle: (destination: Destination) => void
}

/** A transaction that was begun: what of the queues it holds. */
type Begun = {
  readonly txnId: string
  readonly events: readonly DueEvent[]
  readonly eduIds: readonly number[]
}

/**
 * One other server, and what is to be sent to it, one transaction at a time. As long as it answers, its events wait in
 * memory, in order; the follower's stored position stays behind the oldest of them. When it stops answering, or can't
 * keep up, it is behind: then of each room only the newest event is kept for it, in the database.
 */
export class Destination {
  readonly server: ServerName
  readonly edus = new PendingEdus()
  readonly #deps: DestinationDeps
  #queue: DueEvent[] = []
  #isBehind: boolean
  /** Missed events that the database doesn't know of yet. */
  readonly #unwritten = new Map<RoomNid, DueEvent>()
  #hasQueuedEdus: boolean
  /** What may or may not have arrived: "must wait and retry for a 200 OK response before sending a transaction with a different txnId". */
  #unacknowledged: Begun | null = null
  #refusals = 0
  /** After a refusal of several items the next transaction holds one, to find which it is. */
  #oneByOne = false
  #paused = NO_SPAN
  #turn: Turn | null = null
  #running: Promise<void> | null = null
  #cancelTimer: (() => void) | null = null

  /** @param isBehind whether the database may hold missed events or EDUs for it */
  constructor(server: ServerName, isBehind: boolean, deps: DestinationDeps) {
    this.server = server
    this.#deps = deps
    this.#isBehind = isBehind
    this.#hasQueuedEdus = isBehind
  }

  get isBehind(): boolean {
    return this.#isBehind
  }

  get queueLength(): number {
    return this.#queue.length
  }

  /** The position of the oldest event that waits in memory alone; null without one. */
  get oldestPosition(): number | null {
    return this.#queue.find(({ isStored }) => isStored !== true)?.position ?? null
  }

  /** Missed events that the database should be told of, and the function to call once it has been. */
  unwritten(): { readonly missed: readonly MissedEvent[]; readonly written: () => void } {
    const events = [...this.#unwritten.values()]
    const written = () => {
      for (const event of events) {
        if (this.#unwritten.get(event.roomNid) === event) this.#unwritten.delete(event.roomNid)
      }
    }
    return { missed: events.map((event) => this.#missed(event)), written }
  }

  addEvent(event: DueEvent): void {
    if (!this.#isBehind && (this.#queue.length >= QUEUE_MAX || this.#pauseEnd() !== null)) this.#fallBehind()
    if (this.#isBehind) this.#miss(event)
    else this.#queue.push(event)
    this.#turn?.hurry()
    this.wake()
  }

  /** An EDU was queued for it in the database. */
  eduQueued(): void {
    this.#hasQueuedEdus = true
    this.#turn?.hurry()
    this.wake()
  }

  /** The server has shown that it is there: no need to wait any longer. */
  recovered(): void {
    this.#paused = NO_SPAN
    this.wake()
  }

  /** Sends what there is, unless that is being done, or the server has a pause. */
  wake(): void {
    const { signal, onError } = this.#deps
    if (this.#running !== null || signal.aborted) return
    const pausedUntil = this.#pauseEnd()
    if (pausedUntil !== null) {
      this.#sleepUntil(pausedUntil)
      return
    }
    this.#cancelTimer?.()
    this.#cancelTimer = null
    this.#running = this.#run()
      .catch((error: unknown) => {
        // The database failed: that is no matter of the other server's.
        this.#pause(BUSY_PAUSE_MS)
        onError(error)
      })
      .finally(() => {
        this.#running = null
        this.#rest()
      })
  }

  async close(): Promise<void> {
    this.#cancelTimer?.()
    await this.#running
  }

  /** What to do after a run. */
  #rest(): void {
    if (this.#deps.signal.aborted) return
    const pausedUntil = this.#pauseEnd()
    if (pausedUntil !== null) this.#sleepUntil(pausedUntil)
    else if (this.#hasWork) this.wake()
    else this.#deps.onIdle(this)
  }

  get #hasWork(): boolean {
    return this.#isBehind || this.#queue.length > 0 || this.#hasQueuedEdus || this.edus.size > 0
  }

  async #run(): Promise<void> {
    const { client, slots, signal } = this.#deps
    while (this.#hasWork && this.#pauseEnd() === null && !signal.aborted) {
      const isFailing = this.#refusals > 0 || client.backOff.failing(this.server) !== null
      const isUrgent = this.#isBehind || this.#queue.length > 0 || this.#hasQueuedEdus
      this.#turn = (isFailing ? slots.failing : slots.healthy).take(isUrgent)
      const slot = await this.#turn.slot
      this.#turn = null
      try {
        // The pause may have begun, or the end come, in the queue for a slot.
        if (signal.aborted || this.#pauseEnd() !== null) return
        await this.#sendNext((bytes) => slot.holds(bytes))
      } finally {
        slot.release()
      }
    }
  }

  async #sendNext(holds: (bytes: number) => void): Promise<void> {
    const { begun, transaction } = await this.#next()
    if (transaction.dropped > 0) this.#deps.onDropped(this.server, transaction.dropped)
    if (itemsIn(transaction) === 0) {
      await this.#sent(begun)
      return
    }
    holds(transaction.bytes)
    this.#unacknowledged = begun
    const reply = await this.#deps.client.request({
      destination: this.server,
      method: 'PUT',
      uri: `/_matrix/federation/v1/send/${encodeURIComponent(begun.txnId)}`,
      body: transaction.body,
      timeoutMs: SEND_TIMEOUT_MS,
      bytesMax: ANSWER_BYTES_MAX,
      signal: this.#deps.signal,
    })
    await this.#judge(reply, begun, itemsIn(transaction))
  }

  /** The next transaction, or the last one again where it isn't known to have arrived. */
  async #next(): Promise<{ readonly begun: Begun; readonly transaction: Transaction }> {
    const { serverName, clock, newTxnId } = this.#deps
    const again = this.#unacknowledged
    const events = again?.events ?? (await this.#nextEvents())
    const eduLimit = this.#oneByOne && events.length > 0 ? 0 : this.#limit(TRANSACTION_EDUS_MAX)
    const pdus = await this.#deps.pdus.of(events)
    const queued = again === null ? await this.#queuedEdus(eduLimit) : await this.#queuedAgain(again.eduIds)
    const fresh = again === null && !this.#oneByOne ? this.edus.take(TRANSACTION_EDUS_MAX - queued.length, clock()) : []
    const edus = [...queued.map(({ edu }) => edu), ...fresh]
    const transaction = transactionOf(serverName, clock(), pdus.filter(isJsonObject), edus)
    return {
      begun: {
        txnId: again?.txnId ?? newTxnId(),
        events: events.slice(0, countOf(pdus, transaction.pdus)),
        eduIds: queued.slice(0, transaction.edus).map(({ id }) => id),
      },
      transaction,
    }
  }

  async #queuedEdus(limit: number): Promise<readonly QueuedEdu[]> {
    if (!this.#hasQueuedEdus || limit === 0) return []
    // One that is queued while these are being read sets it again.
    this.#hasQueuedEdus = false
    let mayBeMore = true
    try {
      const edus = await this.#deps.store.read((tx) => tx.outbound.edus(this.server, limit))
      mayBeMore = edus.length > 0
      return edus
    } finally {
      this.#hasQueuedEdus ||= mayBeMore
    }
  }

  /**
   * What a transaction held, but for what has been superseded since. Nothing that came later takes its place: a server
   * that has the transaction looks at it no more.
   */
  async #queuedAgain(ids: readonly number[]): Promise<readonly QueuedEdu[]> {
    return ids.length === 0 ? [] : this.#deps.store.read((tx) => tx.outbound.edusOf(ids))
  }

  /** The oldest in memory; for one that is behind, the newest events of the rooms that waited longest. */
  async #nextEvents(): Promise<readonly DueEvent[]> {
    const limit = this.#limit(TRANSACTION_PDUS_MAX)
    if (!this.#isBehind) return this.#queue.slice(0, limit)
    const { store } = this.#deps
    const { missed, written } = this.unwritten()
    if (missed.length > 0) {
      await store.write((tx) => tx.outbound.addMissed(missed))
      written()
    }
    const events = await store.read((tx) => tx.outbound.missed(this.server, limit))
    if (events.length === 0 && this.#unwritten.size === 0) this.#isBehind = false
    return events
  }

  #limit(most: number): number {
    return this.#oneByOne ? 1 : most
  }

  async #judge(reply: FederationReply, begun: Begun, items: number): Promise<void> {
    switch (reply.outcome) {
      case 'answered':
      // What it made of each event is its own affair, and so is how it says so.
      case 'malformed':
        await this.#sent(begun)
        return
      case 'refused':
        if (reply.status === 400 || reply.status === 413) await this.#refused(begun, items)
        else this.#fail(this.#refusedPause())
        return
      case 'busy':
        this.#pause(BUSY_PAUSE_MS)
        return
      case 'aborted':
        return
      case 'too large':
        this.#fail(this.#refusedPause())
        return
      default:
        this.#fail(0)
    }
  }

  async #sent({ events, eduIds }: Begun): Promise<void> {
    const missed = events.filter(({ isStored }) => this.#isBehind || isStored === true)
    if (missed.length > 0 || eduIds.length > 0) {
      await this.#deps.store.write(async (tx) => {
        await tx.outbound.dropMissed(missed.map((event) => this.#missed(event)))
        await tx.outbound.dropEdus(eduIds)
      })
    }
    const sent = new Set(events)
    this.#queue = this.#queue.filter((event) => !sent.has(event))
    for (const { roomNid, position } of events) {
      if ((this.#unwritten.get(roomNid)?.position ?? Number.POSITIVE_INFINITY) <= position)
        this.#unwritten.delete(roomNid)
    }
    this.#unacknowledged = null
    this.#refusals = 0
    this.#oneByOne = false
  }

  /** It finds fault with the transaction itself: with what in it, the next ones tell, and that is left out in the end. */
  async #refused(begun: Begun, items: number): Promise<void> {
    if (items > 1) {
      this.#unacknowledged = null
      this.#oneByOne = true
    } else if (this.#refusals < REFUSALS_MAX - 1) this.#fail(this.#refusedPause())
    else {
      this.#deps.onDropped(this.server, 1)
      await this.#sent(begun)
    }
  }

  #refusedPause(): number {
    this.#refusals += 1
    return Math.min(REFUSED_PAUSE_MS * 2 ** (this.#refusals - 1), REFUSED_PAUSE_MS_MAX)
  }

  #fail(pauseMs: number): void {
    if (pauseMs > 0) this.#pause(pauseMs)
    this.#fallBehind()
  }

  #fallBehind(): void {
    this.#isBehind = true
    for (const event of this.#queue) this.#miss(event)
    this.#queue = []
    // By the time that it is there again they aren't fresh any more.
    this.edus.clear()
  }

  #miss(event: DueEvent): void {
    const known = this.#unwritten.get(event.roomNid)
    if (known === undefined || known.position < event.position) this.#unwritten.set(event.roomNid, event)
  }

  #missed({ roomNid, eventNid, position }: DueEvent): MissedEvent {
    return { destination: this.server, roomNid, eventNid, position }
  }

  #pause(ms: number): void {
    this.#paused = { sinceTs: this.#deps.clock(), ms }
  }

  /** When the pause ends that the server has; null without one. */
  #pauseEnd(): number | null {
    const { client, clock } = this.#deps
    const now = clock()
    const end = Math.max(client.backOff.pausedUntil(this.server) ?? 0, now + leftOf(this.#paused, now))
    return end > now ? end : null
  }

  #sleepUntil(ts: number): void {
    const { timers, clock } = this.#deps
    if (this.#cancelTimer !== null) return
    this.#cancelTimer = timers.after(ts - clock(), () => {
      this.#cancelTimer = null
      this.wake()
    })
  }
}

function itemsIn({ pdus, edus, dropped }: Transaction): number {
  return pdus + edus - dropped
}

/** How many of the list, gaps included, hold its first `present` present items and the gaps after them. */
function countOf(items: readonly (JsonObject | null)[], present: number): number {
  let count = 0
  let left = present
  for (const item of items) {
    if (item !== null && left === 0) break
    if (item !== null) left -= 1
    count += 1
  }
  return count
}
