/** Step 4 of the checks on receipt: "Passes authorization rules based on the event's auth events, otherwise it is rejected." */
import { checkStateDependent } from '#core/auth/state-dependent.ts'
import { type AuthContext, checkStateIndependent } from '#core/auth/state-independent.ts'
import { type Event, stateMapKey } from '#core/event/event.ts'
import { ACCEPT, type Verdict } from '#services/rooms/pipeline/verdict.ts'

/** Judges an event by what it cites. What holds for its own auth events holds for good. */
export function checkAuthEvents(event: Event, context: AuthContext): Verdict {
  const independent = checkStateIndependent(event, context)
  if (!independent.ok) return { outcome: 'reject', rule: independent.rule, reason: independent.reason }
  const state = new Map(context.authEvents.map((entry) => [stateMapKey(entry.type, entry.stateKey ?? ''), entry]))
  if (context.create !== undefined) state.set(stateMapKey('m.room.create', ''), context.create)
  const dependent = checkStateDependent(event, (type, stateKey) => state.get(stateMapKey(type, stateKey)))
  return dependent.ok ? ACCEPT : { outcome: 'reject', rule: dependent.rule, reason: dependent.reason }
}
