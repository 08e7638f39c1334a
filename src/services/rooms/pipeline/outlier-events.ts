import type { Event } from '#core/event/event.ts'
import { requiredSignatures } from '#core/event/sign.ts'
import { createEventIdOf, type EventId } from '#core/ids.ts'
import { authEdges } from '#core/state/event-source.ts'
import { run, type Slices, Steps } from '#core/state/steps.ts'
import { redactByEarlier } from '#services/rooms/pipeline/apply-redaction.ts'
import { forgetEdges } from '#services/rooms/pipeline/auth-graph.ts'
import { checkAuthEvents } from '#services/rooms/pipeline/check-auth-events.ts'
import { LACKS_AUTH_EVENTS } from '#services/rooms/pipeline/received-events.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { Store } from '#store/store.ts'
import { inSlices } from '#store/time-slices.ts'
import type { EventNid, EventRow } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** Events that are read or written at once. */
const BATCH_EVENTS_MAX = 200

/** What became of an event that was to be kept outside of the timeline. */
export type KeptOutlier = {
  readonly nid: EventNid
  readonly event: Event
  readonly outcome: 'accept' | 'reject' | 'missing'
}

type Judged = { readonly event: Event; readonly outcome: KeptOutlier['outcome']; readonly rule: string }

/**
 * Events that are known without a place in the timeline: those that authorise others, and those of states that came from
 * elsewhere. They are judged by their own auth events alone. One whose auth events can't be had counts as rejected, and
 * is judged again when it is offered again together with them.
 */
export class OutlierEvents {
  readonly #store: Store
  readonly #onUnrejected: () => void

  /** @param onUnrejected told of each event that had been rejected for lack of others */
  constructor(store: Store, onUnrejected: () => void = () => {}) {
    this.#store = store
    this.#onUnrejected = onUnrejected
  }

  /**
   * Judges and keeps checked events of one room, in whatever order they come. Events that are known already keep their
   * verdicts; those of other rooms are left out of the answer.
   */
  async keep(room: RoomNid, events: readonly Event[]): Promise<Map<EventId, KeptOutlier>> {
    const timeSlice = new TimeSlice()
    const wanted = new Map<EventId, Event>()
    for (const event of events) {
      wanted.set(event.eventId, event)
      await timeSlice.yieldIfDue()
    }
    const stored = await this.#stored(wanted, timeSlice)
    const judged = new Map<EventId, Judged>()
    const kept = new Map<EventId, KeptOutlier>()
    const fresh: Event[] = []
    for (const event of await inSlices(ordered(wanted, authEdges))) {
      const row = stored.get(event.eventId)
      if (row !== undefined && row.roomNid !== room) continue
      if (row !== undefined && !(await this.#isUnsettled(row))) {
        const outcome = row.rejected ? 'reject' : 'accept'
        judged.set(event.eventId, { event: row.event, outcome, rule: '' })
        kept.set(event.eventId, { nid: row.nid, event: row.event, outcome })
        continue
      }
      judged.set(event.eventId, await this.#judge(event, judged, stored))
      fresh.push(event)
      await timeSlice.yieldIfDue()
    }
    for (let at = 0; at < fresh.length; at += BATCH_EVENTS_MAX) {
      await this.#write(room, fresh.slice(at, at + BATCH_EVENTS_MAX), judged, stored, kept)
    }
    return kept
  }

  /** The events and all that they cite as auth events, as far as they are stored. */
  async #stored(wanted: ReadonlyMap<EventId, Event>, timeSlice: TimeSlice): Promise<Map<EventId, EventRow>> {
    const ids = new Set(wanted.keys())
    for (const event of wanted.values()) {
      for (const id of event.authEvents) ids.add(id)
      if (event.rules.roomIdIsCreateHash) ids.add(createEventIdOf(event.roomId))
      await timeSlice.yieldIfDue()
    }
    const rows = new Map<EventId, EventRow>()
    const all = [...ids]
    for (let at = 0; at < all.length; at += BATCH_EVENTS_MAX) {
      const some = all.slice(at, at + BATCH_EVENTS_MAX)
      for (const row of await this.#store.read((tx) => tx.events.byIds(some))) rows.set(row.event.eventId, row)
      await timeSlice.yieldIfDue()
    }
    return rows
  }

  async #isUnsettled(row: EventRow): Promise<boolean> {
    if (!row.rejected) return false
    return (await this.#store.read((tx) => tx.events.rejectionReason(row.nid))) === LACKS_AUTH_EVENTS
  }

  async #judge(
    event: Event,
    judged: ReadonlyMap<EventId, Judged>,
    stored: ReadonlyMap<EventId, EventRow>,
  ): Promise<Judged> {
    const outcomeOf = async (eventId: EventId): Promise<Pick<Judged, 'event' | 'outcome'> | null> => {
      const here = judged.get(eventId)
      if (here !== undefined) return here
      const row = stored.get(eventId)
      if (row === undefined) return null
      const outcome = !row.rejected ? 'accept' : (await this.#isUnsettled(row)) ? 'missing' : 'reject'
      return { event: row.event, outcome }
    }
    const authEvents: Event[] = []
    const rejected = new Set<EventId>()
    for (const authId of event.authEvents) {
      const found = await outcomeOf(authId)
      if (found === null || found.outcome === 'missing') return { event, outcome: 'missing', rule: LACKS_AUTH_EVENTS }
      authEvents.push(found.event)
      if (found.outcome === 'reject') rejected.add(authId)
    }
    const isCreate = event.type === 'm.room.create'
    const create =
      event.rules.roomIdIsCreateHash && !isCreate ? await outcomeOf(createEventIdOf(event.roomId)) : undefined
    if (create === null) return { event, outcome: 'missing', rule: LACKS_AUTH_EVENTS }
    const verdict = checkAuthEvents(event, {
      authEvents,
      create: create?.outcome === 'accept' ? create.event : undefined,
      isRejected: (eventId) => rejected.has(eventId),
      isSignedBy: (server) => requiredSignatures(event).has(server),
    })
    if (verdict.outcome === 'reject') {
      return { event, outcome: 'reject', rule: `${verdict.rule}: ${verdict.reason}` }
    }
    return { event, outcome: 'accept', rule: '' }
  }

  async #write(
    room: RoomNid,
    events: readonly Event[],
    judged: ReadonlyMap<EventId, Judged>,
    stored: ReadonlyMap<EventId, EventRow>,
    kept: Map<EventId, KeptOutlier>,
  ): Promise<void> {
    const outlierOf = (event: Event) => {
      const { outcome, rule } = judged.get(event.eventId)!
      return outcome === 'accept'
        ? { event, verdict: 'accepted' as const }
        : { event, verdict: 'rejected' as const, reason: rule }
    }
    const unsettled = events.filter(({ eventId }) => stored.has(eventId))
    const nids = await this.#store.write(async (tx) => {
      const nids = await tx.events.addOutliers(room, events.map(outlierOf))
      for (const event of unsettled) {
        const { verdict, reason } = { reason: undefined, ...outlierOf(event) }
        const row = stored.get(event.eventId)!
        if (reason === undefined) {
          await tx.events.reevaluate(row.nid, verdict)
          await redactByEarlier(tx, event, row.nid)
        } else await tx.events.reevaluate(row.nid, verdict, reason)
      }
      return nids
    })
    for (const [index, event] of events.entries()) {
      const { outcome } = judged.get(event.eventId)!
      kept.set(event.eventId, { nid: nids[index]!, event, outcome })
      if (outcome === 'accept' && stored.get(event.eventId)?.rejected === true) this.#onUnrejected()
    }
    forgetEdges(
      this.#store,
      unsettled.map(({ eventId }) => stored.get(eventId)!.nid),
    )
  }
}

/** Each event after those that it cites, as far as they are among them; those in a circle are left out. */
export function inOrder(events: ReadonlyMap<EventId, Event>, cites: Cites): Event[] {
  return run(ordered(events, cites))
}

type Cites = (event: Event) => readonly EventId[]

function* ordered(events: ReadonlyMap<EventId, Event>, cites: Cites): Slices<Event[]> {
  const steps = new Steps()
  const waitsFor = new Map<EventId, number>()
  const citedBy = new Map<EventId, Event[]>()
  const free: Event[] = []
  for (const event of events.values()) {
    const among = new Set(cites(event).filter((id) => events.has(id)))
    waitsFor.set(event.eventId, among.size)
    if (among.size === 0) free.push(event)
    for (const id of among) {
      const citing = citedBy.get(id)
      if (citing === undefined) citedBy.set(id, [event])
      else citing.push(event)
    }
    if (steps.take(1 + among.size)) yield
  }
  for (const event of free) {
    for (const citing of citedBy.get(event.eventId) ?? []) {
      const left = (waitsFor.get(citing.eventId) ?? 0) - 1
      waitsFor.set(citing.eventId, left)
      if (left === 0) free.push(citing)
      if (steps.take()) yield
    }
  }
  return free
}
