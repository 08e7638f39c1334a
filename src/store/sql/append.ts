import type { EventId } from '#core/ids.ts'
import * as rows from '#store/sql/append-rows.ts'
import { BackwardExtremityWriter, gapRanks } from '#store/sql/backward-extremity-writer.ts'
import { type Citations, type Cited, citations } from '#store/sql/citations.ts'
import { timelineReferences } from '#store/sql/cited-by.ts'
import { textList } from '#store/sql/connection.ts'
import { CurrentStateWriter } from '#store/sql/current-state.ts'
import { EventWriter } from '#store/sql/event-writer.ts'
import { addLogEntry, ENTRY_BYTES } from '#store/sql/log.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import { RelationWriter } from '#store/sql/relation-writer.ts'
import { RowBatch } from '#store/sql/row-batch.ts'
import type { Sql } from '#store/sql/sql.ts'
import { stateTree } from '#store/sql/state.ts'
import { type StateKeys, stateKeys } from '#store/sql/state-keys.ts'
import { parsedBytes } from '#store/sql/stored-events.ts'
import type { AppendedEvent } from '#store/sql/timeline-event.ts'
import { transactionReader } from '#store/sql/transactions.ts'
import type { StateTree } from '#store/state-tree/state-tree.ts'
import {
  type Append,
  type Appended,
  DuplicateTransactionError,
  type EventNid,
  type EventReader,
  type NewEvent,
  StaleHeadError,
} from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'

type Head = {
  head_seq: number
  state_id: number
  rank_max: number
  last_position: number
  joined: number
  invited: number
  local_joined: number
  /** The event that has the append's first transaction id. */
  repeated: EventId | null
  /** Whether some event in the room's timeline cites one that isn't. */
  has_gaps: unknown
  /** Whether some event of the append is stored already. */
  has_stored: unknown
}

const headOf = (eventIds: string) => `SELECT head_seq, state_id, rank_max, last_position, joined, invited, local_joined,
    (SELECT events.event_id FROM transactions JOIN events ON events.nid = transactions.event_nid
      WHERE transactions.user_nid = ? AND transactions.device_id = ? AND transactions.txn_id = ?
        AND transactions.endpoint = ? AND transactions.room_nid = rooms.nid) AS repeated,
    EXISTS (SELECT 1 FROM backward_extremities WHERE backward_extremities.room_nid = rooms.nid) AS has_gaps,
    EXISTS (SELECT 1 FROM events WHERE event_id IN (${eventIds})) AS has_stored
  FROM rooms WHERE nid = ?`

/** By how the ids of the append's events are given; for a single event there is a faster way. */
const HEAD = {
  sqlite: { one: headOf('?'), many: headOf('SELECT value FROM json_each(?)') },
  postgres: {
    one: `${headOf('?')} FOR UPDATE OF rooms`,
    many: `${headOf('SELECT value FROM json_array_elements_text(?::json)')} FOR UPDATE OF rooms`,
  },
}

/** See EventStore.append. First everything is worked out, then all rows are written at once. */
export class Appender {
  readonly #sql: Sql
  readonly #tree: StateTree
  readonly #keys: StateKeys
  readonly #transactions: Pick<EventReader, 'transaction'>
  readonly #citations: Citations
  readonly #events: EventWriter
  readonly #gaps: BackwardExtremityWriter
  readonly #relations: RelationWriter
  readonly #currentState: CurrentStateWriter

  constructor(sql: Sql) {
    this.#sql = sql
    this.#tree = perConnection(sql, stateTree)
    this.#keys = perConnection(sql, stateKeys)
    this.#transactions = transactionReader(sql)
    this.#citations = perConnection(sql, citations)
    this.#events = new EventWriter(sql)
    this.#gaps = new BackwardExtremityWriter(sql)
    this.#relations = new RelationWriter(sql)
    this.#currentState = new CurrentStateWriter(sql)
  }

  async append({ roomNid, expectedHeadSeq, events, currentState }: Append): Promise<Appended> {
    const head = await this.#lockHead(roomNid, events)
    await this.#refuseRepeated(roomNid, head, events)
    if (head.head_seq !== expectedHeadSeq) {
      throw new StaleHeadError(`Computed on head ${expectedHeadSeq} of the room, which is at ${head.head_seq}`)
    }
    const batch = new RowBatch()
    const placed = await this.#place(roomNid, head, events)
    const characters = placed.map((event) => this.#addEvent(roomNid, event, batch))
    this.#gaps.open(roomNid, placed, batch)
    const ids = placed.map(({ event }) => event.eventId)
    const missing = head.has_gaps ? await this.#gaps.missing(roomNid, ids) : new Set<EventId>()
    addExtremities(roomNid, placed, missing, batch)
    await this.#relations.write(roomNid, placed, batch)
    const change = await this.#currentState.change(roomNid, head.state_id as StateId, placed, currentState, batch)
    const entryAt = (position: number) =>
      ({ position, kind: 'event', roomNid, userNid: change.members.get(position) ?? null }) as const
    for (const [i, { position, nid, event, verdict }] of placed.entries()) {
      const bytes = ENTRY_BYTES + parsedBytes(characters[i]!)
      const logged = verdict === 'accepted' ? { nid, roomNid, position, event } : null
      addLogEntry(this.#sql, batch, { ...entryAt(position), event: logged, bytes })
    }
    for (const position of change.extraPositions) {
      addLogEntry(this.#sql, batch, { ...entryAt(position), event: null, bytes: ENTRY_BYTES })
    }
    const shown = placed.findLast(({ verdict }) => verdict === 'accepted')
    const headSeq = head.head_seq + 1
    batch.add(
      rows.ROOM_HEAD,
      headSeq,
      change.stateId,
      placed.at(-1)?.rank ?? head.rank_max,
      shown?.position ?? head.last_position,
      head.joined + change.joined,
      head.invited + change.invited,
      head.local_joined + change.localJoined,
      roomNid,
    )
    await batch.write(this.#sql)
    this.#events.written(placed)
    await this.#gaps.close(roomNid, missing)
    return { headSeq, stateId: change.stateId, events: placed.map(given) }
  }

  /**
   * The room's head, locked, and with it, to save a round trip, the event that has the first transaction id already.
   * Another process's append that was committed while we waited for the lock may be missed in that: then the head has
   * moved, and the caller comes again.
   */
  async #lockHead(room: RoomNid, events: readonly NewEvent[]): Promise<Head> {
    const first = events.find(({ transaction }) => transaction !== undefined)?.transaction
    const [one, ...others] = events
    const isSingle = one !== undefined && others.length === 0
    const head = await this.#sql.get<Head>(HEAD[this.#sql.dialect][isSingle ? 'one' : 'many'], [
      first?.userNid ?? null,
      first?.deviceId ?? null,
      first?.txnId ?? null,
      first?.endpoint ?? '',
      isSingle ? one.event.eventId : textList(events.map(({ event }) => event.eventId)),
      room,
    ])
    if (head === undefined) throw new Error(`No room has the number ${room}`)
    return head
  }

  async #refuseRepeated(room: RoomNid, head: Head, events: readonly NewEvent[]): Promise<void> {
    if (head.repeated !== null) throw new DuplicateTransactionError(head.repeated)
    const own = new Map<string, EventId>()
    for (const { event, transaction } of events) {
      if (transaction === undefined) continue
      const key = JSON.stringify([transaction.userNid, transaction.deviceId, transaction.txnId, transaction.endpoint])
      const isFirst = own.size === 0
      const earlier = own.get(key) ?? (isFirst ? null : await this.#transactions.transaction({ ...transaction, room }))
      if (earlier !== null) throw new DuplicateTransactionError(earlier)
      own.set(key, event.eventId)
    }
  }

  async #place(room: RoomNid, head: Head, events: readonly NewEvent[]): Promise<AppendedEvent[]> {
    if (events.length === 0) return []
    const cited = await this.#citations.of(events.map(({ event }) => event))
    const outliers = head.has_stored ? await this.#outliers(events) : new Map<EventId, Cited>()
    const senders = await this.#events.senders(events)
    let nid = await this.#firstNid(events.length - outliers.size)
    const firstPosition = await this.#sql.allocate('position', events.length)
    const placed: AppendedEvent[] = []
    let state = head.state_id as StateId
    let rank = head.rank_max
    for (const [i, { event, ...rest }] of events.entries()) {
      const outlier = outliers.get(event.eventId)
      const own = outlier?.nid ?? (nid++ as EventNid)
      const references = timelineReferences(event, rest.verdict, cited)
      rank += 1 + (references.gaps.length > 0 ? gapRanks(rank) : 0)
      const stateBefore = rest.stateBefore === 'previous' ? state : rest.stateBefore
      const key =
        rest.verdict !== 'rejected' && event.stateKey !== null
          ? await this.#keys.intern(event.type, event.stateKey)
          : null
      const stateAfter = key === null ? stateBefore : await this.#tree.apply(room, stateBefore, [[key, own]])
      if (rest.verdict === 'accepted') state = stateAfter
      placed.push({
        ...rest,
        ...references,
        event,
        nid: own,
        isPromoted: outlier !== undefined,
        position: firstPosition + i,
        rank,
        senderNid: senders.get(event.sender)!,
        stateBefore,
        stateAfter,
        key,
      })
      cited.set(event.eventId, { nid: own, generation: references.generation, isOutlier: false })
    }
    return placed
  }

  /** The events of the append that are stored as outliers. */
  async #outliers(events: readonly NewEvent[]): Promise<Map<EventId, Cited>> {
    const stored = await this.#citations.stored(events.map(({ event }) => event.eventId))
    for (const [id, { isOutlier }] of stored) if (!isOutlier) throw new Error(`${id} is in the timeline already`)
    return stored
  }

  async #firstNid(count: number): Promise<number> {
    return count === 0 ? 0 : this.#sql.allocate('event', count)
  }

  /** Returns the length of the event's JSON. */
  #addEvent(room: RoomNid, placed: AppendedEvent, batch: RowBatch): number {
    const { nid, transaction } = placed
    const characters = this.#events.add(room, placed, batch)
    if (transaction !== undefined) {
      const { userNid, deviceId, txnId, endpoint = '' } = transaction
      batch.add(rows.TRANSACTION, nid, userNid, deviceId, room, txnId, endpoint, this.#sql.clock())
    }
    return characters
  }
}

function given({ nid, position, rank, stateAfter, generation }: AppendedEvent): Appended['events'][number] {
  return { nid, position, rank, stateAfter, generation }
}

/** Accepted events take the places of those that they cite, but for those that others cite already. */
function addExtremities(
  room: RoomNid,
  placed: readonly AppendedEvent[],
  missing: ReadonlySet<EventId>,
  batch: RowBatch,
): void {
  const accepted = placed.filter(({ verdict }) => verdict === 'accepted')
  const cited = new Set(accepted.flatMap(({ prev }) => prev))
  for (const { nid, event } of accepted) {
    if (!cited.delete(nid) && !missing.has(event.eventId)) batch.add(rows.NEW_EXTREMITY, room, nid)
  }
  for (const nid of cited) batch.add(rows.CITED_EXTREMITY, room, nid)
}
