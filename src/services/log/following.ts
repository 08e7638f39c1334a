import { type ServerName, serverOf } from '#core/ids.ts'
import type { FollowedEntry, Follower, FollowerWrite, LogBatch, Topic } from '#services/log/follower.ts'
import type { LogTail } from '#services/log/log-tail.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { Timers } from '#services/time/timers.ts'
import type { Store } from '#store/store.ts'
import { type LogEntry, type LoggedEvent, LostLeaseError } from '#store/types/log.ts'

/** How many entries a batch holds. */
export const ENTRIES_PER_BATCH_MAX = 500
/** After so many positions without anything to write, the database is told how far this is. */
export const POSITIONS_UNWRITTEN_MAX = 10_000
/** When a failed batch is tried again, if nothing is committed before: doubling up to the longest. */
const RETRY_MS = 1_000
const RETRY_MS_MAX = 60_000

export type FollowingDeps = {
  readonly store: Store
  readonly serverName: ServerName
  readonly tail: LogTail
  readonly timers: Timers
  readonly onError: (error: unknown) => void
  /** Its position has changed. */
  readonly onMoved: () => void
}

/** One follower on its way along the log, one batch at a time. */
export class Following {
  readonly #deps: FollowingDeps
  readonly #follower: Follower
  readonly #topics: ReadonlySet<Topic>
  #position: number
  /** What the database knows. */
  #stored: number
  #running: Promise<void> | null = null
  #end: 'none' | 'closing' | 'closed' = 'none'
  #retryMs = 0
  #cancelRetry: () => void = () => {}

  constructor(follower: Follower, deps: FollowingDeps) {
    this.#deps = deps
    this.#follower = follower
    this.#topics = new Set(follower.topics)
    this.#position = follower.claim?.position ?? deps.store.position()
    this.#stored = this.#position
  }

  get name(): string {
    return this.#follower.name
  }

  /** Everything up to here has been handled. */
  get position(): number {
    return this.#position
  }

  /** Resolves when the end of the log is reached, or a batch has failed. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running
  }

  /** Handles what is at hand still, and stops. What has to be read is for the next process. */
  async close(): Promise<void> {
    if (this.#end === 'none') this.#end = this.#follower.claim === undefined ? 'closed' : 'closing'
    this.#cancelRetry()
    await this.idle()
    if (this.#end === 'closing' && this.#position > this.#stored) {
      await this.#write(this.#position, null).catch(this.#deps.onError)
    }
    this.#end = 'closed'
  }

  /** Goes on, unless it is under way. */
  look(): void {
    if (this.#running !== null || this.#end !== 'none') return
    this.#pass()
    if (this.#position >= this.#deps.store.position()) return
    this.#cancelRetry()
    let succeeded = false
    this.#running = this.#run()
      .then(
        () => {
          succeeded = true
          this.#retryMs = 0
        },
        (error: unknown) => this.#failed(error),
      )
      .finally(() => {
        this.#running = null
        this.#deps.onMoved()
        if (succeeded) this.look()
      })
  }

  async #run(): Promise<void> {
    const timeSlice = new TimeSlice()
    while (this.#end !== 'closed' && this.#position < this.#deps.store.position()) {
      const batch = this.#remembered() ?? (this.#end === 'none' ? await this.#read() : null)
      if (batch === null || batch.upTo === this.#position) return
      const outcome = batch.entries.length === 0 ? null : await this.#follower.handle(batch)
      await this.#write(batch.upTo, outcome)
      this.#position = batch.upTo
      this.#pass()
      await timeSlice.yieldIfDue()
    }
  }

  /** Moves past what isn't for this follower, without leaving the turn. */
  #pass(): void {
    const { isNeeded, claim, movesItself } = this.#follower
    if (isNeeded?.() === false) this.#position = this.#deps.store.position()
    const isStored = claim !== undefined && movesItself !== true
    const latest = isStored ? this.#stored + POSITIONS_UNWRITTEN_MAX : Number.POSITIVE_INFINITY
    for (let batch = this.#remembered(); batch !== null && batch.entries.length === 0; batch = this.#remembered()) {
      if (batch.upTo >= latest) return
      this.#position = batch.upTo
    }
  }

  #remembered(): LogBatch | null {
    const from = this.#position
    const found = this.#deps.tail.after(from, ENTRIES_PER_BATCH_MAX, (entry) => this.#wanted(entry, entry.event))
    return found === null ? null : { from, upTo: found.upTo, entries: found.taken }
  }

  #read(): Promise<LogBatch> {
    const from = this.#position
    return this.#deps.store.read(async (tx) => {
      const end = await tx.position()
      const entries = await tx.log.between(from, end, ENTRIES_PER_BATCH_MAX)
      const upTo = entries.length < ENTRIES_PER_BATCH_MAX ? end : (entries.at(-1)?.position ?? end)
      const mayBeLocal = this.#topics.has('local_event') && entries.some(({ kind }) => kind === 'event')
      const rows = mayBeLocal ? await tx.events.localEventsBetween(from, upTo, ENTRIES_PER_BATCH_MAX) : []
      const events = new Map(rows.map(({ position, nid, roomNid, event }) => [position, { nid, roomNid, event }]))
      const wanted = entries.flatMap((entry) => {
        const event = events.get(entry.position)
        return this.#wanted(entry, event === undefined ? null : { ...event, position: entry.position }) ?? []
      })
      return { from, upTo, entries: wanted }
    })
  }

  /** The entry as the follower sees it; null where it doesn't want it. */
  #wanted({ position, kind, roomNid, userNid }: LogEntry, logged: LoggedEvent | null): FollowedEntry | null {
    const topics = this.#topics
    const wantsLocal = topics.has('local_event') && logged !== null
    const event = wantsLocal && serverOf(logged.event.sender) === this.#deps.serverName ? logged : null
    const isWanted =
      topics.has(kind) || event !== null || (kind === 'event' && userNid !== null && topics.has('member'))
    return isWanted ? { position, kind, roomNid, userNid, event } : null
  }

  async #write(position: number, outcome: FollowerWrite | null): Promise<void> {
    const { claim, movesItself } = this.#follower
    const isDue = outcome !== null || this.#end === 'closing' || position - this.#stored >= POSITIONS_UNWRITTEN_MAX
    if (claim === undefined || movesItself === true || !isDue) return
    await this.#deps.store.write(async (tx) => {
      await outcome?.write(tx)
      await tx.log.moveFollower(claim.lease, position)
    })
    this.#stored = position
    outcome?.written?.()
  }

  #failed(error: unknown): void {
    this.#follower.failed?.()
    this.#deps.onError(error)
    if (error instanceof LostLeaseError) this.#end = 'closed'
    if (this.#end !== 'none') return
    this.#retryMs = Math.min(Math.max(this.#retryMs * 2, RETRY_MS), RETRY_MS_MAX)
    this.#cancelRetry = this.#deps.timers.after(this.#retryMs, () => this.look())
  }
}
