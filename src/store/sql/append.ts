import type { Event } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import * as rows from '#store/sql/append-rows.ts'
import { Citations, type Cited } from '#store/sql/citations.ts'
import { CurrentStateWriter } from '#store/sql/current-state.ts'
import { packReferences } from '#store/sql/event-references.ts'
import { logKindNumber } from '#store/sql/log.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { PlacedEvent } from '#store/sql/placed-event.ts'
import { RelationWriter } from '#store/sql/relation-writer.ts'
import { RowBatch } from '#store/sql/row-batch.ts'
import type { Sql } from '#store/sql/sql.ts'
import { stateTree } from '#store/sql/state.ts'
import { type StateKeys, stateKeys } from '#store/sql/state-keys.ts'
import { EVENT_FLAGS, type StoredEvents, storedEvents, storedText } from '#store/sql/stored-events.ts'
import { transactionReader } from '#store/sql/transactions.ts'
import { userStore } from '#store/sql/users.ts'
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
import type { UserNid, UserStore } from '#store/types/users.ts'

type Head = {
  head_seq: number
  state_id: number
  rank_max: number
  last_position: number
  joined: number
  invited: number
  /** The event that has the append's first transaction id. */
  repeated: EventId | null
}

const HEAD = `SELECT head_seq, state_id, rank_max, last_position, joined, invited,
    (SELECT events.event_id FROM transactions JOIN events ON events.nid = transactions.event_nid
      WHERE transactions.user_nid = ? AND transactions.device_id = ? AND transactions.txn_id = ?
        AND transactions.room_nid = rooms.nid) AS repeated
  FROM rooms WHERE nid = ?`

const FLAGS: Readonly<Record<NewEvent['verdict'], number>> = {
  accepted: 0,
  'soft-failed': EVENT_FLAGS.softFailed,
  rejected: EVENT_FLAGS.rejected,
}

/** See EventStore.append. First everything is worked out, then all rows are written at once. */
export class Appender {
  readonly #sql: Sql
  readonly #tree: StateTree
  readonly #keys: StateKeys
  readonly #users: UserStore
  readonly #stored: StoredEvents
  readonly #transactions: Pick<EventReader, 'transaction'>
  readonly #citations: Citations
  readonly #relations: RelationWriter
  readonly #currentState: CurrentStateWriter

  constructor(sql: Sql) {
    this.#sql = sql
    this.#tree = perConnection(sql, stateTree)
    this.#keys = perConnection(sql, stateKeys)
    this.#users = perConnection(sql, userStore)
    this.#stored = perConnection(sql, storedEvents)
    this.#transactions = transactionReader(sql)
    this.#citations = new Citations(sql)
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
    for (const event of placed) this.#addEvent(roomNid, event, batch)
    addExtremities(roomNid, placed, batch)
    await this.#relations.write(roomNid, placed, batch)
    const change = await this.#currentState.change(roomNid, head.state_id as StateId, placed, currentState, batch)
    for (const position of [...placed.map((event) => event.position), ...change.extraPositions]) {
      batch.add(rows.LOG_ROW, position, logKindNumber('event'), roomNid, change.members.get(position) ?? null)
    }
    const shown = placed.findLast(({ verdict }) => verdict === 'accepted')
    const headSeq = head.head_seq + 1
    batch.add(
      rows.ROOM_HEAD,
      headSeq,
      change.stateId,
      head.rank_max + placed.length,
      shown?.position ?? head.last_position,
      head.joined + change.joined,
      head.invited + change.invited,
      roomNid,
    )
    await batch.write(this.#sql)
    for (const { event, nid, generation } of placed) this.#citations.wrote(event.eventId, { nid, generation })
    return { headSeq, stateId: change.stateId, events: placed.map(given) }
  }

  /**
   * The room's head, locked, and with it, to save a round trip, the event that has the first transaction id already.
   * Another process's append that was committed while we waited for the lock may be missed in that: then the head has
   * moved, and the caller comes again.
   */
  async #lockHead(room: RoomNid, events: readonly NewEvent[]): Promise<Head> {
    const first = events.find(({ transaction }) => transaction !== undefined)?.transaction
    const head = await this.#sql.get<Head>(this.#sql.dialect === 'postgres' ? `${HEAD} FOR UPDATE` : HEAD, [
      first?.userNid ?? null,
      first?.deviceId ?? null,
      first?.txnId ?? null,
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
      const key = JSON.stringify([transaction.userNid, transaction.deviceId, transaction.txnId])
      const isFirst = own.size === 0
      const earlier = own.get(key) ?? (isFirst ? null : await this.#transactions.transaction({ ...transaction, room }))
      if (earlier !== null) throw new DuplicateTransactionError(earlier)
      own.set(key, event.eventId)
    }
  }

  async #place(room: RoomNid, head: Head, events: readonly NewEvent[]): Promise<PlacedEvent[]> {
    if (events.length === 0) return []
    const cited = await this.#citations.of(events.map(({ event }) => event))
    const senders = await this.#senders(events)
    const firstNid = await this.#sql.allocate('event', events.length)
    const firstPosition = await this.#sql.allocate('position', events.length)
    const placed: PlacedEvent[] = []
    let state = head.state_id as StateId
    for (const [i, { event, ...rest }] of events.entries()) {
      const nid = (firstNid + i) as EventNid
      const stateBefore = rest.stateBefore === 'previous' ? state : rest.stateBefore
      const key =
        rest.verdict === 'accepted' && event.stateKey !== null
          ? await this.#keys.intern(event.type, event.stateKey)
          : null
      state = key === null ? stateBefore : await this.#tree.apply(room, stateBefore, [[key, nid]])
      const auth = citedBy(event, event.authEvents, cited)
      const generation = generationOf(event, auth)
      placed.push({
        ...rest,
        event,
        nid,
        position: firstPosition + i,
        rank: head.rank_max + 1 + i,
        senderNid: senders.get(event.sender)!,
        generation,
        prev: citedBy(event, event.prevEvents, cited).map((one) => one.nid),
        auth: auth.map((one) => one.nid),
        stateBefore,
        stateAfter: state,
        key,
      })
      cited.set(event.eventId, { nid, generation })
    }
    return placed
  }

  async #senders(events: readonly NewEvent[]): Promise<Map<string, UserNid>> {
    const senders = new Map<string, UserNid>()
    for (const { sender } of events.map(({ event }) => event)) {
      if (!senders.has(sender)) senders.set(sender, await this.#users.intern(sender))
    }
    return senders
  }

  #addEvent(room: RoomNid, placed: PlacedEvent, batch: RowBatch): void {
    const { event, nid, stateBefore, stateAfter, transaction } = placed
    const json = storedText(event.json)
    batch.add(
      rows.EVENT_ROW,
      nid,
      event.eventId,
      room,
      placed.position,
      placed.rank,
      placed.senderNid,
      event.originServerTs,
      event.depth,
      placed.generation,
      stateBefore,
      stateAfter === stateBefore ? null : stateAfter,
      FLAGS[placed.verdict],
      packReferences(nid, placed.prev),
      packReferences(nid, placed.auth),
      json,
    )
    if (placed.reason !== undefined) batch.add(rows.REJECTION, nid, placed.reason)
    if (transaction !== undefined) {
      const { userNid, deviceId, txnId } = transaction
      batch.add(rows.TRANSACTION, nid, userNid, deviceId, room, txnId, this.#sql.clock())
    }
    this.#stored.wrote(nid, event, null, json.length)
  }
}

function given({ nid, position, rank, stateAfter, generation }: PlacedEvent): Appended['events'][number] {
  return { nid, position, rank, stateAfter, generation }
}

function citedBy(event: Event, ids: readonly EventId[], cited: ReadonlyMap<EventId, Cited>): Cited[] {
  return ids.map((id) => {
    const found = cited.get(id)
    if (found === undefined) throw new Error(`${event.eventId} cites ${id}, which is not stored`)
    return found
  })
}

/** 1 + the greatest of the auth events'; a create event, which in some room versions isn't listed, has 0. */
function generationOf(event: Event, auth: readonly Cited[]): number {
  if (event.type === 'm.room.create' && event.stateKey === '') return 0
  return 1 + Math.max(0, ...auth.map(({ generation }) => generation))
}

/** Accepted events take the places of those that they cite. */
function addExtremities(room: RoomNid, placed: readonly PlacedEvent[], batch: RowBatch): void {
  const accepted = placed.filter(({ verdict }) => verdict === 'accepted')
  const cited = new Set(accepted.flatMap(({ prev }) => prev))
  for (const { nid } of accepted) {
    if (!cited.delete(nid)) batch.add(rows.NEW_EXTREMITY, room, nid)
  }
  for (const nid of cited) batch.add(rows.CITED_EXTREMITY, room, nid)
}
