import { contentField } from '#core/auth/content-field.ts'
import { PowerLevels } from '#core/auth/power-levels.ts'
import type { Event } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import { compareCodePoints } from '#core/json/canonical.ts'
import { authEdges, authEventFor, type EventSource } from './event-source.ts'
import { Heap } from './heap.ts'
import type { Slices, Steps } from './steps.ts'

/**
 * "Power event": an event that might remove someone's ability to do something. Of power levels and join rules only
 * those with an empty state key: no other has an effect.
 */
export function isPowerEvent(event: Event): boolean {
  if (event.type === 'm.room.power_levels' || event.type === 'm.room.join_rules') return event.stateKey === ''
  if (event.type !== 'm.room.member' || event.stateKey === null || event.sender === event.stateKey) return false
  const membership = contentField(event, 'membership')
  return membership === 'leave' || membership === 'ban'
}

/**
 * The power events of the full conflicted set, and what of that set authorises them: the events that step 1 of the
 * algorithm sorts.
 *
 * NOTSPEC: chains are followed within the full conflicted set. By the letter, a chain could leave the set and return;
 * deployed servers don't look for that, and in version 12 the conflicted subgraph leaves no such gaps.
 */
export function* powerEventsAndChains(
  fullConflicted: ReadonlySet<EventId>,
  events: EventSource,
  steps: Steps,
): Slices<Set<EventId>> {
  const found = new Set<EventId>()
  const pending: Event[] = []
  const add = (event: Event | undefined) => {
    if (event === undefined || found.has(event.eventId)) return
    found.add(event.eventId)
    pending.push(event)
  }
  for (const eventId of fullConflicted) {
    const event = events.get(eventId)
    if (event !== undefined && isPowerEvent(event)) add(event)
    if (steps.take()) yield
  }
  for (let event = pending.pop(); event !== undefined; event = pending.pop()) {
    for (const authId of authEdges(event)) {
      if (fullConflicted.has(authId)) add(events.get(authId))
      if (steps.take()) yield
    }
  }
  return found
}

type Candidate = {
  readonly event: Event
  readonly senderLevel: number
  /** Auth events in the set that haven't been placed yet. */
  waitsFor: number
  readonly authorises: Candidate[]
}

/**
 * "Reverse topological power ordering": auth events first; among events that are free to come next, the sender with the
 * greater power level, then the earlier `origin_server_ts`, then the lesser event id. Ids without an event are left out.
 */
export function* reverseTopologicalPowerOrder(
  eventIds: ReadonlySet<EventId>,
  events: EventSource,
  steps: Steps,
): Slices<Event[]> {
  const candidates = new Map<EventId, Candidate>()
  for (const eventId of eventIds) {
    const event = events.get(eventId)
    if (event === undefined) continue
    candidates.set(eventId, { event, senderLevel: senderLevel(event, events), waitsFor: 0, authorises: [] })
    if (steps.take()) yield
  }
  for (const candidate of candidates.values()) {
    for (const authId of new Set(authEdges(candidate.event))) {
      const authCandidate = candidates.get(authId)
      if (authCandidate === undefined) continue
      candidate.waitsFor += 1
      authCandidate.authorises.push(candidate)
      if (steps.take()) yield
    }
  }
  const free = new Heap<Candidate>(comesBefore)
  for (const candidate of candidates.values()) if (candidate.waitsFor === 0) free.push(candidate)
  const order: Event[] = []
  for (let next = free.pop(); next !== undefined; next = free.pop()) {
    order.push(next.event)
    for (const freed of next.authorises) {
      freed.waitsFor -= 1
      if (freed.waitsFor === 0) free.push(freed)
      if (steps.take()) yield
    }
  }
  return order
}

function comesBefore(x: Candidate, y: Candidate): boolean {
  if (x.senderLevel !== y.senderLevel) return x.senderLevel > y.senderLevel
  if (x.event.originServerTs !== y.event.originServerTs) return x.event.originServerTs < y.event.originServerTs
  return compareCodePoints(x.event.eventId, y.event.eventId) < 0
}

/** The sender's level "when looking at their respective auth_events". */
function senderLevel(event: Event, events: EventSource): number {
  const powerLevels = authEventFor(event, 'm.room.power_levels', '', events)
  const create = authEventFor(event, 'm.room.create', '', events)
  return new PowerLevels(event.rules, powerLevels, create).userLevel(event.sender)
}
