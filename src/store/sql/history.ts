import type { EventId } from '#core/ids.ts'
import { BackwardExtremityWriter } from '#store/sql/backward-extremity-writer.ts'
import { type Citations, type Cited, citations } from '#store/sql/citations.ts'
import { timelineReferences } from '#store/sql/cited-by.ts'
import { EventWriter } from '#store/sql/event-writer.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import { RelationWriter } from '#store/sql/relation-writer.ts'
import { RowBatch } from '#store/sql/row-batch.ts'
import type { Sql } from '#store/sql/sql.ts'
import { stateTree } from '#store/sql/state.ts'
import { type StateKeys, stateKeys } from '#store/sql/state-keys.ts'
import type { TimelineEvent } from '#store/sql/timeline-event.ts'
import type { StateTree } from '#store/state-tree/state-tree.ts'
import type { EventNid, History } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'
import type { UserNid } from '#store/types/users.ts'

type HistoricEvent = History['events'][number]

const RANKS_AT_ONCE = 500

/** See EventStore.addHistory. */
export class HistoryWriter {
  readonly #sql: Sql
  readonly #tree: StateTree
  readonly #keys: StateKeys
  readonly #citations: Citations
  readonly #events: EventWriter
  readonly #gaps: BackwardExtremityWriter
  readonly #relations: RelationWriter
  readonly #ranksBelow
  readonly #rankOf

  constructor(sql: Sql) {
    this.#sql = sql
    this.#tree = perConnection(sql, stateTree)
    this.#keys = perConnection(sql, stateKeys)
    this.#citations = perConnection(sql, citations)
    this.#events = new EventWriter(sql)
    this.#gaps = new BackwardExtremityWriter(sql)
    this.#relations = new RelationWriter(sql)
    this.#ranksBelow = sql.prepare((db, p: { room: number; rank: number; limit: number }) =>
      db
        .selectFrom('events')
        .select('rank')
        .where('room_nid', '=', p.room)
        .where('rank', '<', p.rank)
        .orderBy('rank', 'desc')
        .limit(p.limit),
    )
    this.#rankOf = sql.prepare((db, p: { nid: number }) =>
      db.selectFrom('events').select('rank').where('nid', '=', p.nid),
    )
  }

  async add({ roomNid, beforeRank, events }: History): Promise<{ nid: EventNid; rank: number }[]> {
    await this.#lock(roomNid)
    const stored = await this.#citations.stored(events.map(({ event }) => event.eventId))
    const isPlaced = ({ event }: HistoricEvent) => stored.get(event.eventId)?.isOutlier === false
    const fresh = events.filter((one) => !isPlaced(one))
    const ranks = await this.#ranks(roomNid, await this.#lowest(beforeRank, events.filter(isPlaced), stored), fresh)
    const placed = await this.#place(roomNid, fresh, ranks, stored)
    const batch = new RowBatch()
    for (const event of placed) this.#events.add(roomNid, event, batch)
    this.#gaps.open(roomNid, placed, batch)
    await this.#relations.write(roomNid, placed, batch)
    await batch.write(this.#sql)
    this.#events.written(placed)
    await this.#gaps.close(roomNid, new Set(events.map(({ event }) => event.eventId)))
    const given = new Map(placed.map(({ event, nid, rank }) => [event.eventId, { nid, rank }]))
    return Promise.all(
      events.map(({ event }) => given.get(event.eventId) ?? this.#standing(stored.get(event.eventId)!)),
    )
  }

  /** Appends to the room wait for us, and we for them: no rank is given twice. */
  async #lock(room: RoomNid): Promise<void> {
    const lock = this.#sql.dialect === 'postgres' ? ' FOR UPDATE' : ''
    const row = await this.#sql.get(`SELECT nid FROM rooms WHERE nid = ?${lock}`, [room])
    if (row === undefined) throw new Error(`No room has the number ${room}`)
  }

  async #place(
    room: RoomNid,
    events: readonly HistoricEvent[],
    ranks: readonly number[],
    stored: ReadonlyMap<EventId, Cited>,
  ): Promise<TimelineEvent[]> {
    const cited = await this.#citations.of(events.map(({ event }) => event))
    const senders = await this.#events.senders(events)
    const count = events.filter(({ event }) => !stored.has(event.eventId)).length
    let nid = count === 0 ? 0 : await this.#sql.allocate('event', count)
    const placed: TimelineEvent[] = []
    for (const [i, one] of events.entries()) {
      const { event, verdict, stateBefore } = one
      const outlier = stored.get(event.eventId)
      const own = outlier?.nid ?? (nid++ as EventNid)
      const references = timelineReferences(event, verdict, cited, true)
      placed.push({
        ...one,
        ...references,
        nid: own,
        isPromoted: outlier !== undefined,
        position: null,
        rank: ranks[i]!,
        senderNid: senders.get(event.sender) as UserNid,
        ...(await this.#stateAfter(room, one, stateBefore, own)),
      })
      cited.set(event.eventId, { nid: own, generation: references.generation, isOutlier: false })
    }
    return placed
  }

  async #stateAfter(room: RoomNid, { event, verdict }: HistoricEvent, stateBefore: StateId, nid: EventNid) {
    if (verdict === 'rejected' || event.stateKey === null) return { key: null, stateAfter: stateBefore }
    const key = await this.#keys.intern(event.type, event.stateKey)
    return { key, stateAfter: await this.#tree.apply(room, stateBefore, [[key, nid]]) }
  }

  /** Those of the events that are in the timeline have their places, and the others come below them. */
  async #lowest(
    beforeRank: number,
    inTimeline: readonly HistoricEvent[],
    stored: ReadonlyMap<EventId, Cited>,
  ): Promise<number> {
    let lowest = beforeRank
    for (const { event } of inTimeline) {
      lowest = Math.min(lowest, (await this.#standing(stored.get(event.eventId)!)).rank)
    }
    return lowest
  }

  async #standing({ nid }: Cited): Promise<{ nid: EventNid; rank: number }> {
    return { nid, rank: (await this.#rankOf.get({ nid }))!.rank! }
  }

  /** The nearest free ranks below `beforeRank`, lowest first. */
  async #ranks(room: RoomNid, beforeRank: number, { length }: readonly HistoricEvent[]): Promise<number[]> {
    let top = beforeRank
    for (;;) {
      const taken = await this.#ranksBelow.all({ room, rank: top, limit: RANKS_AT_ONCE })
      for (const rank of [...taken.map((row) => row.rank!), ...(taken.length < RANKS_AT_ONCE ? [0] : [])]) {
        if (top - rank > length) return Array.from({ length }, (_, i) => top - length + i)
        top = rank
      }
      if (taken.length < RANKS_AT_ONCE) throw new RangeError(`There are no ${length} free ranks below ${beforeRank}`)
    }
  }
}
