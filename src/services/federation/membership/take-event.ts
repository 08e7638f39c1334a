import type { Event } from '#core/event/event.ts'
import type { ServerName } from '#core/ids.ts'
import type { EventRow } from '#store/types/events.ts'

/**
 * Brings a finished event into a room that this server is in, by the same pipeline as events of transactions. `from` is
 * asked for what the event cites and isn't here.
 *
 * @throws M_FORBIDDEN where the rules refuse the event
 */
export type TakeEvent = (event: Event, from: ServerName) => Promise<EventRow>
