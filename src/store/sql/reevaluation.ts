import type { Event } from '#core/event/event.ts'
import * as rows from '#store/sql/append-rows.ts'
import { logKindNumber } from '#store/sql/log.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import { RelationWriter } from '#store/sql/relation-writer.ts'
import { RowBatch } from '#store/sql/row-batch.ts'
import type { Sql } from '#store/sql/sql.ts'
import { stateTree } from '#store/sql/state.ts'
import { type StateKeys, stateKeys } from '#store/sql/state-keys.ts'
import {
  EVENT_COLUMNS,
  EVENT_FLAGS,
  REFUSED_FLAGS,
  type StoredEvents,
  storedEvents,
  VERDICT_FLAGS,
} from '#store/sql/stored-events.ts'
import type { StateTree } from '#store/state-tree/state-tree.ts'
import type { EventNid, EventRow, NewEvent } from '#store/types/events.ts'
import type { StateId } from '#store/types/state.ts'

const REEVALUATED = `UPDATE events SET flags = (flags & ~${REFUSED_FLAGS}) | ?, state_before = ?, state_after = ? WHERE nid = ?`
const APPLIED = `UPDATE events SET flags = flags & ~${EVENT_FLAGS.unapplied} WHERE nid = ?`

/** Changes what is stored of events later: see EventStore.reevaluate and EventStore.redact. */
export class Reevaluation {
  readonly #sql: Sql
  readonly #tree: StateTree
  readonly #keys: StateKeys
  readonly #stored: StoredEvents
  readonly #relations: RelationWriter
  readonly #event

  constructor(sql: Sql) {
    this.#sql = sql
    this.#tree = perConnection(sql, stateTree)
    this.#keys = perConnection(sql, stateKeys)
    this.#stored = perConnection(sql, storedEvents)
    this.#relations = new RelationWriter(sql)
    this.#event = sql.prepare((db, p: { nid: number }) =>
      db.selectFrom('events').select(EVENT_COLUMNS).where('nid', '=', p.nid),
    )
  }

  async reevaluate(
    nid: EventNid,
    verdict: NewEvent['verdict'],
    reason: string | undefined,
    stateBefore: StateId | undefined,
  ): Promise<void> {
    const row = await this.#row(nid)
    const before = stateBefore ?? row.stateBefore
    const after = await this.#stateAfter(row, verdict, before)
    const flags = VERDICT_FLAGS[verdict]
    await this.#sql.run(REEVALUATED, [flags, before, after === before ? null : after, nid])
    await this.#sql.run(rows.NO_REJECTION.single, [nid])
    const batch = new RowBatch()
    if (verdict !== 'accepted' && reason !== undefined) batch.add(rows.REJECTION, nid, reason)
    const wasShown = !row.rejected && !row.softFailed
    if (row.rank !== null && !row.unapplied && wasShown !== (verdict === 'accepted')) {
      if (wasShown) this.#relations.unrelate(row, batch)
      else await this.#relations.relate(row.roomNid, row, new Map(), batch)
    }
    await batch.write(this.#sql)
  }

  async redact(by: EventNid, target: EventNid, redacted: Event): Promise<void> {
    const batch = new RowBatch()
    await this.#relations.redact(by, target, redacted, batch)
    await this.#reveal(by, batch)
    await batch.write(this.#sql)
    await this.#sql.run('DELETE FROM pending_redactions WHERE target_id = ?', [redacted.eventId])
  }

  /** Shows clients a redaction that didn't apply so far. One of a room's history is no news. */
  async #reveal(redaction: EventNid, batch: RowBatch): Promise<void> {
    const row = await this.#row(redaction)
    if (!row.unapplied) return
    await this.#sql.run(APPLIED, [redaction])
    await this.#relations.relate(row.roomNid, row, new Map(), batch)
    if (row.position === null) return
    const position = await this.#sql.nextPosition()
    batch.add(rows.LOG_ROW, position, logKindNumber('event'), row.roomNid, null)
    batch.add(rows.LATE_REDACTION, row.roomNid, position, redaction)
  }

  /** Outliers have no state. */
  async #stateAfter({ roomNid, event, nid, rank }: EventRow, verdict: NewEvent['verdict'], before: StateId) {
    if (verdict === 'rejected' || event.stateKey === null || rank === null) return before
    return this.#tree.apply(roomNid, before, [[await this.#keys.intern(event.type, event.stateKey), nid]])
  }

  async #row(nid: EventNid): Promise<EventRow> {
    const [row] = await this.#stored.rows(await this.#event.all({ nid }))
    if (row === undefined) throw new Error(`No event has the number ${nid}`)
    return row
  }
}
