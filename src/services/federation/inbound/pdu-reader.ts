import type { Event } from '#core/event/event.ts'
import { hasValidContentHash, without } from '#core/event/hash.ts'
import { parseEvent, viewEvent } from '#core/event/parse-event.ts'
import { redactJson } from '#core/event/redact.ts'
import type { EventId, ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'
import type { EventVerifier, SignatureFault } from '#services/federation/keys/event-verifier.ts'
import { TimeSlice } from '#services/time/time-slice.ts'

/** What checks signatures of events: `EventVerifier`. */
export type EventSignatures = Pick<EventVerifier, 'verifyAll'>

/** What was read of one PDU; it may be an event that isn't to be kept. */
export type ReadPdu =
  | { readonly ok: true; readonly event: Event }
  | {
      readonly ok: false
      readonly eventId: EventId | null
      readonly reason: string
      /** Where only a key of its signature could not be had: it may be an event yet. */
      readonly unverified?: UnverifiedEvent
    }

/** An event of whose signatures one can't be checked, as the key of that server can't be had for now. */
export type UnverifiedEvent = { readonly event: Event; readonly server: ServerName }

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
    const timeSlice = new TimeSlice()
    const read: ReadPdu[] = []
    for (const json of pdus) {
      read.push(parse(json, rules))
      await timeSlice.yieldIfDue()
    }
    const events = read.flatMap((pdu) => (pdu.ok ? [pdu.event] : []))
    if (events.length === 0) return read
    const faults = await this.#signatures.verifyAll(events, { suppliers: [via] })
    const checked: ReadPdu[] = []
    let index = 0
    for (const pdu of read) {
      checked.push(pdu.ok ? withFault(pdu.event, faults[index++] ?? null) : pdu)
      await timeSlice.yieldIfDue()
    }
    return checked
  }

  /** The events alone of those that could be read, each once, of one room. */
  async events(
    pdus: readonly JsonObject[],
    rules: RoomVersionRules,
    via: ServerName,
    roomId: string,
  ): Promise<Map<EventId, Event>> {
    const events = new Map<EventId, Event>()
    const timeSlice = new TimeSlice()
    for (const pdu of await this.read(pdus, rules, via)) {
      await timeSlice.yieldIfDue()
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

function withFault(event: Event, fault: SignatureFault | null): ReadPdu {
  const { eventId, rules } = event
  if (fault !== null) {
    const reason = `Not signed by ${fault.server}: ${fault.verdict}`
    if (fault.verdict !== 'unknown key') return { ok: false, eventId, reason }
    return { ok: false, eventId, reason, unverified: { event, server: fault.server } }
  }
  if (hasValidContentHash(event.json)) return { ok: true, event }
  // "Passes hash checks, otherwise it is redacted before being processed further."
  return { ok: true, event: viewEvent(redactJson(event.json, rules), rules, eventId) }
}
