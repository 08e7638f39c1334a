import type { EventId } from '#core/ids.ts'
import { type Citations, type Cited, citations } from '#store/sql/citations.ts'
import { outlierReferences } from '#store/sql/cited-by.ts'
import { packReferences, unpackReferences } from '#store/sql/event-references.ts'
import { EventWriter } from '#store/sql/event-writer.ts'
import { Pauses } from '#store/sql/pauses.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import { RowBatch } from '#store/sql/row-batch.ts'
import type { Sql } from '#store/sql/sql.ts'
import { type StateKeys, stateKeys } from '#store/sql/state-keys.ts'
import type { EventNid, Outlier } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** See EventStore.addOutliers. */
export class OutlierWriter {
  readonly #sql: Sql
  readonly #citations: Citations
  readonly #events: EventWriter
  readonly #keys: StateKeys
  readonly #references

  constructor(sql: Sql) {
    this.#sql = sql
    this.#citations = perConnection(sql, citations)
    this.#events = new EventWriter(sql)
    this.#keys = perConnection(sql, stateKeys)
    this.#references = sql.prepare((db, p: { nid: number }) =>
      db.selectFrom('events').select(['room_nid', 'auth', 'rank']).where('nid', '=', p.nid),
    )
  }

  async add(room: RoomNid, outliers: readonly Outlier[]): Promise<EventNid[]> {
    const events = outliers.map(({ event }) => event)
    const stored = await this.#citations.stored(events.map(({ eventId }) => eventId))
    const cited = await this.#citations.of(events)
    const fresh = new Map(outliers.map((one) => [one.event.eventId, one]))
    for (const id of stored.keys()) fresh.delete(id)
    const senders = await this.#events.senders([...fresh.values()])
    let nid = fresh.size === 0 ? 0 : await this.#sql.allocate('event', fresh.size)
    const batch = new RowBatch()
    const pauses = new Pauses()
    for (const [id, outlier] of new Map(outliers.map((one) => [one.event.eventId, one]))) {
      if (pauses.due()) await pauses.pause()
      const known = stored.get(id)
      if (known === undefined) {
        const references = outlierReferences(outlier.event, cited)
        const own = {
          nid: nid++ as EventNid,
          senderNid: senders.get(outlier.event.sender)!,
          isPromoted: false,
        } as const
        const placed = { ...outlier, ...references, ...own }
        this.#events.add(room, placed, batch)
        // Most will be part of a state soon: what a large one needs is made with its events, a few at a time.
        if (outlier.event.stateKey !== null) await this.#keys.intern(outlier.event.type, outlier.event.stateKey)
        cited.set(id, { nid: placed.nid, generation: placed.generation, isOutlier: true })
      } else {
        cited.set(id, await this.#complete(room, known, outlier, cited))
      }
    }
    await batch.write(this.#sql)
    return events.map(({ eventId }) => cited.get(eventId)!.nid)
  }

  /** An event that came without its auth events, or whose auth events came so, learns of what these cite when it has come. */
  async #complete(room: RoomNid, known: Cited, { event }: Outlier, cited: ReadonlyMap<EventId, Cited>): Promise<Cited> {
    const { nid, isOutlier } = known
    const row = await this.#references.get({ nid })
    if (row?.room_nid !== room) throw new Error(`${event.eventId} is an event of another room`)
    const { auth, generation } = outlierReferences(event, cited)
    const hasAll = auth.length <= unpackReferences(nid, row.auth).length
    if (!isOutlier || (hasAll && generation <= known.generation)) return known
    await this.#sql.run(COMPLETED, [packReferences(nid, auth), generation, nid])
    return { nid, generation, isOutlier }
  }
}

const COMPLETED = 'UPDATE events SET auth = ?, generation = ? WHERE nid = ?'
