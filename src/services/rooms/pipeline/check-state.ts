/** Steps 5 and 6 of the checks on receipt: the state before the event, then the room's current state. */
import type { StateLookup } from '#core/auth/room-view.ts'
import { checkStateDependent } from '#core/auth/state-dependent.ts'
import type { Event } from '#core/event/event.ts'
import { ACCEPT, type Verdict } from '#services/rooms/pipeline/verdict.ts'

/**
 * Judges an event by the state before it, "otherwise it is rejected", and by the current state, "otherwise it is
 * soft failed". For an event on top of the room's head both are the same, and looked at once.
 */
export function checkState(event: Event, before: StateLookup, current = before): Verdict {
  const atEvent = checkStateDependent(event, before)
  if (!atEvent.ok) return { outcome: 'reject', rule: atEvent.rule, reason: atEvent.reason }
  if (before === current) return ACCEPT
  const now = checkStateDependent(event, current)
  return now.ok ? ACCEPT : { outcome: 'soft-fail', rule: now.rule, reason: now.reason }
}
