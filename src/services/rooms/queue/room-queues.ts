import { LRUCache } from 'lru-cache'
import type { Event } from '#core/event/event.ts'
import type { RoomId } from '#core/ids.ts'
import { limitExceeded } from '#services/rate-limits/rate-limiter.ts'
import { commitDraft } from '#services/rooms/pipeline/commit.ts'
import { type DraftDeps, RoomDraft } from '#services/rooms/queue/room-draft.ts'
import { loadHead, type RoomHead } from '#services/rooms/queue/room-head.ts'
import { UnknownRoomError } from '#services/rooms/unknown-room-error.ts'
import { DuplicateTransactionError, StaleHeadError, type TransactionKey } from '#store/types/events.ts'

/** Jobs of one room that are committed together. */
const BATCH_JOBS_MAX = 50
/** Jobs that may wait for one room; further ones are told to come again. */
export const WAITING_JOBS_MAX = 2_000
const RETRY_AFTER_MS = 1_000
/** How often a batch is built again because other processes wrote to the room. */
const ATTEMPTS_MAX = 50
/** Room heads kept at hand, and their memory altogether. */
const HEADS_MAX = 10_000
const HEADS_BYTES_MAX = 64 * 1024 * 1024

/** One change of a room, as a function: it may be run again, and awaits nothing but its draft and the store's reads. */
export type RoomJob<T> = {
  run(draft: RoomDraft): Promise<T>
  readonly transaction?: JobTransaction<T> | undefined
}

/** Where the client named its request: what to do when that name was used before. */
export type JobTransaction<T> = {
  readonly key: TransactionKey
  /** What to answer where that event is of the same request. */
  answer(event: Event): T | null
  /** The job to do where it is not. */
  readonly otherwise: RoomJob<T>
}

type Waiting = {
  job: RoomJob<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}
/** A turn of its own, between batches. */
type Turn = { readonly turn: () => Promise<void>; readonly reject: (error: unknown) => void }
type Outcome = { readonly waiting: Waiting } & ({ readonly value: unknown } | { readonly error: unknown })

/**
 * One bounded queue a room: jobs of a room run strictly in turn, those of different rooms side by side. The jobs that
 * wait are built on top of each other and committed in one write; a job that throws takes back only its own events.
 *
 * Lock order: a room's queue first, then the store's write. Nothing is awaited in a queue but the store, never the
 * network nor another room's queue.
 */
export class RoomQueues {
  readonly #deps: DraftDeps
  readonly #waiting = new Map<RoomId, (Waiting | Turn)[]>()
  readonly #draining = new Set<Promise<void>>()
  readonly #heads = new LRUCache<RoomId, RoomHead>({ max: HEADS_MAX, maxSize: HEADS_BYTES_MAX })

  constructor(deps: DraftDeps) {
    this.#deps = deps
  }

  /** Runs a job on top of the room. Resolves when its events are on disk. */
  run<T>(roomId: RoomId, job: RoomJob<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#enqueue(roomId, { job, resolve: resolve as (value: unknown) => void, reject })
    })
  }

  /**
   * Runs something while no job of the room does, and that writes to the room by itself: what other servers send, which
   * isn't built on top of the room's head. Like a job it awaits nothing but the store. The room needn't exist.
   */
  inTurn<T>(roomId: RoomId, work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#enqueue(roomId, { turn: async () => resolve(await work()), reject })
    })
  }

  /** Resolves when no room has a job left: for tests and for stopping. */
  async idle(): Promise<void> {
    while (this.#draining.size > 0) await Promise.all(this.#draining)
  }

  /** Rooms that have jobs under way. */
  get busyRooms(): number {
    return this.#waiting.size
  }

  /** Bytes that the heads kept at hand take, about. */
  get headBytes(): number {
    return this.#heads.calculatedSize
  }

  #enqueue(roomId: RoomId, entry: Waiting | Turn): void {
    const queue = this.#waiting.get(roomId)
    if (queue === undefined) {
      this.#waiting.set(roomId, [entry])
      const draining = this.#drain(roomId).finally(() => this.#draining.delete(draining))
      this.#draining.add(draining)
    } else if (queue.length >= WAITING_JOBS_MAX) entry.reject(limitExceeded(RETRY_AFTER_MS))
    else queue.push(entry)
  }

  async #drain(roomId: RoomId): Promise<void> {
    const queue = this.#waiting.get(roomId) ?? []
    // Others may join the first one.
    await null
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      const batch = 'turn' in next ? [] : takeBatch(queue)
      try {
        if ('turn' in next) {
          queue.shift()
          this.#heads.delete(roomId)
          await next.turn()
        } else await this.#runBatch(roomId, batch)
      } catch (error) {
        this.#heads.delete(roomId)
        if ('turn' in next) next.reject(error)
        for (const { reject } of batch) reject(error)
      }
    }
    this.#waiting.delete(roomId)
  }

  async #runBatch(roomId: RoomId, batch: readonly Waiting[]): Promise<void> {
    let left = batch
    for (let attempt = 0; left.length > 0; attempt++) {
      if (attempt === ATTEMPTS_MAX) throw limitExceeded(RETRY_AFTER_MS)
      const head = await this.#head(roomId)
      if (head === null) {
        const error = new UnknownRoomError()
        for (const { reject } of left) reject(error)
        return
      }
      const draft = new RoomDraft(this.#deps, head)
      const outcomes = await runJobs(draft, left)
      try {
        await this.#commit(head, draft)
      } catch (error) {
        left = await this.#afterFailure(head, left, error)
        continue
      }
      await this.#settle(head, outcomes)
      return
    }
  }

  /** Writes the draft; where there is nothing to write, makes sure that the jobs saw the room as it is. */
  async #commit(head: RoomHead, draft: RoomDraft): Promise<void> {
    if (!draft.isEmpty) {
      const at = await commitDraft(this.#deps.store, draft, head.at.headSeq)
      if (at === null) return
      head.advance({ ...at, tips: draft.nextTips(), stateBefore: 'previous' }, draft.changedState)
      this.#heads.set(head.roomId, head, { size: head.bytes })
      return
    }
    const room = await this.#deps.store.read((tx) => tx.rooms.byNid(head.nid))
    if (room?.headSeq !== head.at.headSeq) throw new StaleHeadError()
  }

  /** Which jobs are to be run again. */
  async #afterFailure(head: RoomHead, jobs: readonly Waiting[], error: unknown): Promise<readonly Waiting[]> {
    if (!(error instanceof DuplicateTransactionError)) this.#heads.delete(head.roomId)
    if (error instanceof StaleHeadError) return jobs
    if (error instanceof DuplicateTransactionError) {
      const { left, found } = await this.#answerRepeated(head, jobs)
      // Otherwise two of the jobs share a name: the first one takes it.
      if (found > 0) return left
    }
    // What one job writes besides events may have failed: each for itself then, so that the others get theirs.
    const [only, ...others] = jobs
    if (only === undefined) return []
    if (others.length === 0) only.reject(error)
    else for (const job of jobs) await this.#runBatch(head.roomId, [job])
    return []
  }

  /** Answers the jobs whose request was done before; returns the others, and how many names were found to be used. */
  async #answerRepeated(head: RoomHead, jobs: readonly Waiting[]): Promise<{ left: Waiting[]; found: number }> {
    const done = await this.#deps.store.read(async (tx) => {
      const events = new Map<Waiting, Event>()
      for (const waiting of jobs) {
        const { transaction } = waiting.job
        const eventId = transaction && (await tx.events.transaction({ ...transaction.key, room: head.nid }))
        const row = eventId == null ? null : await tx.events.byId(eventId)
        if (row !== null) events.set(waiting, row.event)
      }
      return events
    })
    const left = jobs.filter((waiting) => {
      const event = done.get(waiting)
      const { transaction } = waiting.job
      if (event === undefined || transaction === undefined) return true
      const answer = transaction.answer(event)
      if (answer === null) waiting.job = transaction.otherwise
      else waiting.resolve(answer)
      return answer === null
    })
    return { left, found: done.size }
  }

  /**
   * Answers all jobs. One that was refused may be the repetition of a request that was once allowed, by a user who has
   * left since: it gets the same answer again.
   */
  async #settle(head: RoomHead, outcomes: readonly Outcome[]): Promise<void> {
    const refused: Waiting[] = []
    for (const outcome of outcomes) {
      const { waiting } = outcome
      if ('value' in outcome) waiting.resolve(outcome.value)
      else if (waiting.job.transaction === undefined) waiting.reject(outcome.error)
      else refused.push(waiting)
    }
    if (refused.length === 0) return
    const errors = new Map(outcomes.map((outcome) => [outcome.waiting, 'error' in outcome ? outcome.error : null]))
    const { left } = await this.#answerRepeated(head, refused)
    for (const waiting of left) waiting.reject(errors.get(waiting))
  }

  async #head(roomId: RoomId): Promise<RoomHead | null> {
    const known = this.#heads.get(roomId)
    known?.trim()
    return known ?? (await loadHead(this.#deps.store, roomId))
  }
}

/** Takes the jobs that come before the next turn out of the queue. */
function takeBatch(queue: (Waiting | Turn)[]): Waiting[] {
  const batch: Waiting[] = []
  for (let next = queue[0]; next !== undefined && 'job' in next && batch.length < BATCH_JOBS_MAX; next = queue[0]) {
    queue.shift()
    batch.push(next)
  }
  return batch
}

async function runJobs(draft: RoomDraft, batch: readonly Waiting[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const waiting of batch) {
    const mark = draft.mark()
    try {
      outcomes.push({ waiting, value: await waiting.job.run(draft) })
    } catch (error) {
      draft.rollback(mark)
      outcomes.push({ waiting, error })
    }
  }
  return outcomes
}
