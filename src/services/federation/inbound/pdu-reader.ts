import type { Event } from '#core/event/event.ts'
import { hasValidContentHash, without } from '#core/event/hash.ts'
import { parseEvent, viewEvent } from '#core/event/parse-event.ts'
import { redactJson } from '#core/event/redact.ts'
import type { EventId, ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'
import { Pauses } from '#services/rooms/pipeline/received-state.ts'

/** What checks signatures of events; the key ring does. */
export interface EventSignatures {
  /**
   * Whether each of the events is signed as it must be. Asks for keys that it lacks, of `via` too, which supplied the
   * events.
   */
  verifyEvents(events: readonly Event[], via: ServerName): Promise<ReadonlyMap<EventId, SignatureCheck>>
}

export type SignatureCheck = { readonly ok: true } | { readonly ok: false; readonly reason: string }

/** What was read of one PDU; it may be an event that isn't to be kept. */
export type ReadPdu =
  | { readonly ok: true; readonly event: Event }
  | { readonly ok: false; readonly eventId: EventId | null; readonly reason: string }

/**
 * The door for every event from elsewhere, whatever way it comes: format and size, signatures, content hash. The first
 * three "Checks performed on receipt of a PDU".
 */
export class PduReader {
  readonly #signatures: EventSignatures

  constructor(signatures: EventSignatures) {
    this.#signatures = signatures
  }

  /** Reads events of one room version, in the order given. One that can't be read spoils none of the others. */
  async read(pdus: readonly JsonObject[], rules: RoomVersionRules, via: ServerName): Promise<ReadPdu[]> {
    const pauses = new Pauses(50)
    const read: ReadPdu[] = []
    for (const json of pdus) {
      read.push(parse(json, rules))
      await pauses.next()
    }
    const events = read.flatMap((pdu) => (pdu.ok ? [pdu.event] : []))
    if (events.length === 0) return read
    const checks = await this.#signatures.verifyEvents(events, via)
    const checked: ReadPdu[] = []
    for (const pdu of read) {
      checked.push(pdu.ok ? withCheck(pdu.event, checks.get(pdu.event.eventId)) : pdu)
      await pauses.next()
    }
    return checked
  }

  /** The ids of what is an event by its format; nothing else is looked at. */
  idsOf(pdus: readonly JsonObject[], rules: RoomVersionRules): EventId[] {
    return pdus.flatMap((json) => {
      const read = parse(json, rules)
      return read.ok ? [read.event.eventId] : []
    })
  }

  /** The events alone of those that could be read, each once, of one room. */
  async events(
    pdus: readonly JsonObject[],
    rules: RoomVersionRules,
    via: ServerName,
    roomId: string,
  ): Promise<Map<EventId, Event>> {
    const events = new Map<EventId, Event>()
    for (const pdu of await this.read(pdus, rules, via)) {
      if (pdu.ok && pdu.event.roomId === roomId) events.set(pdu.event.eventId, pdu.event)
    }
    return events
  }
}

function parse(json: JsonObject, rules: RoomVersionRules): ReadPdu {
  // Nobody signed that: each server makes its own.
  const parsed = parseEvent(without(json, ['unsigned']), rules)
  return parsed.ok ? parsed : { ok: false, eventId: null, reason: parsed.reason }
}

function withCheck(event: Event, check: SignatureCheck | undefined): ReadPdu {
  const { eventId, rules } = event
  if (check?.ok !== true) return { ok: false, eventId, reason: check?.reason ?? 'The signatures were not checked' }
  if (hasValidContentHash(event.json)) return { ok: true, event }
  // "Passes hash checks, otherwise it is redacted before being processed further."
  return { ok: true, event: viewEvent(redactJson(event.json, rules), rules, eventId) }
}
