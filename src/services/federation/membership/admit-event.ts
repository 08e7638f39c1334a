import type { Event } from '#core/event/event.ts'
import type { ServerName } from '#core/ids.ts'
import { forbidden, invalidParam, notFound } from '#core/matrix-error.ts'
import type { Ingest } from '#services/federation/inbound/ingest.ts'
import type { Store } from '#store/store.ts'
import type { EventRow } from '#store/types/events.ts'

/**
 * Brings a finished event into a room that this server is in, by the same way as events of transactions. `from` is asked
 * for what the event cites and isn't here.
 *
 * @throws M_FORBIDDEN where the rules refuse the event; M_INVALID_PARAM where it isn't signed as it must be, or cites
 *   what nobody has
 */
export type AdmitEvent = (event: Event, from: ServerName) => Promise<EventRow>

export function admitEventBy(ingest: Pick<Ingest, 'admit'>, store: Store): AdmitEvent {
  return async (event, from) => {
    const room = await store.read((tx) => tx.rooms.byId(event.roomId))
    if (room === null) throw notFound('This server is not in the room')
    const admitted = await ingest.admit(from, room, event.json)
    if (admitted === null) throw invalidParam('The event is not signed as it must be')
    const { judgement } = admitted
    if (judgement.outcome === 'missing') throw invalidParam('The event cites events that nobody has')
    if (judgement.outcome !== 'accept' && judgement.outcome !== 'known') {
      throw forbidden(`${judgement.reason} (rule ${judgement.rule} of room version ${room.version})`)
    }
    const row = await store.read((tx) => tx.events.byId(event.eventId))
    if (row === null || row.rejected || row.softFailed) throw forbidden('The room does not allow the event')
    return row
  }
}
