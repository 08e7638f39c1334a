/** Which redactions from elsewhere take effect ("Handling redactions" of the room versions). */
import { PowerLevels } from '#core/auth/power-levels.ts'
import type { StateLookup } from '#core/auth/room-view.ts'
import type { Event } from '#core/event/event.ts'
import { viewEvent } from '#core/event/parse-event.ts'
import { redactJson } from '#core/event/redact.ts'
import { serverOf } from '#core/ids.ts'
import { readAuthState } from '#services/rooms/pipeline/received-state.ts'
import type { ReadTx, Tx } from '#store/store.ts'
import type { EventNid, EventRow, NewEvent } from '#store/types/events.ts'
import type { StateId } from '#store/types/state.ts'

/**
 * Whether a redaction that the authorisation rules let pass applies to an event of the same room: "the power level of
 * the redaction event's sender is greater than or equal to the *redact level*", or "the domain of the redaction event's
 * sender matches that of the original event's sender". `before` is the state before the redaction.
 */
export function redacts(redaction: Event, target: Event, before: StateLookup): boolean {
  if (redaction.redacts !== target.eventId || redaction.roomId !== target.roomId) return false
  // In versions whose senders choose event ids it could name itself.
  if (redaction.eventId === target.eventId) return false
  if (serverOf(redaction.sender) === serverOf(target.sender)) return true
  const levels = new PowerLevels(redaction.rules, before('m.room.power_levels', ''), before('m.room.create', ''))
  return levels.userLevel(redaction.sender) >= levels.redact
}

/** What a redaction does when it comes, which may be nothing. `target` is what is known of the event that it names. */
export function effectOf(
  redaction: Event,
  target: EventRow | null,
  before: StateLookup,
): Pick<NewEvent, 'redaction' | 'unapplied'> {
  if (redaction.type !== 'm.room.redaction') return {}
  // "they should not be sent to clients until both the redaction and original event have been received, and are valid"
  if (target === null || target.rejected || !redacts(redaction, target.event, before)) return { unapplied: true }
  if (target.redactedBy !== null) return {}
  return { redaction: { target: target.nid, redacted: redactedCopy(target.event) } }
}

/** What a redaction leaves of an event. */
export function redactedCopy(event: Event): Event {
  return viewEvent(redactJson(event.json, event.rules), event.rules, event.eventId)
}

/** The event that a redaction names, where it is known. */
export async function redactionTarget(tx: ReadTx, { redacts: target }: Event): Promise<EventRow | null> {
  return target === null ? null : tx.events.byId(target)
}

/** Applies a redaction that came before what it redacts: it takes effect once both are known. */
export async function redactByEarlier(tx: Tx, target: Event, targetNid: EventNid): Promise<void> {
  const nids = (await tx.events.pendingRedactions([target.eventId])).get(target.eventId) ?? []
  for (const row of (await tx.events.byNids(nids)).values()) {
    if (row.rejected || row.softFailed) continue
    const before = await readAuthState(tx, row.stateBefore, row.event)
    if (!redacts(row.event, target, before)) continue
    await tx.events.redact(row.nid, targetNid, redactedCopy(target))
    return
  }
}

/**
 * Does what redactions have to do with an event that had been refused, or judged by another state, and is accepted now:
 * it may be one itself, and be redacted by one that has come since. `before` is the state that it is accepted by.
 */
export async function redactReevaluated(tx: Tx, { nid, event, unapplied }: EventRow, before: StateId): Promise<void> {
  await redactByEarlier(tx, event, nid)
  if (!unapplied) return
  const { redaction } = effectOf(event, await redactionTarget(tx, event), await readAuthState(tx, before, event))
  if (redaction !== undefined) await tx.events.redact(nid, redaction.target, redaction.redacted)
}
