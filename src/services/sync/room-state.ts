import { type RoomEventFilter, roomEventPasses } from '#core/filter/event-filter.ts'
import type { RoomId, UserId } from '#core/ids.ts'
import type { MemberMemory } from '#services/sync/sent-members.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { ReadTx } from '#store/store.ts'
import type { EventNid, EventRow } from '#store/types/events.ts'
import type { StateId } from '#store/types/state.ts'

export type StateRequest = {
  readonly roomId: RoomId
  readonly filter: RoomEventFilter
  /** What the client has; the empty state where it knows nothing or asks for all. */
  readonly base: StateId
  /**
   * What a client may have of members that it asked for (`/members`), where `base` is empty though it had a token: it
   * keeps their list, and has to hear of what changed since. Null where it can't have any.
   */
  readonly memberBase: StateId | null
  /** The room's state where this answer ends. */
  readonly end: StateId
  readonly timeline: readonly EventRow[]
  readonly useStateAfter: boolean
  /** Members whom the client needs besides the timeline's senders: itself, the heroes. */
  readonly needed: ReadonlySet<UserId>
  /** What this device was given of members before; null where the filter doesn't load members lazily. */
  readonly sent: MemberMemory | null
}

type Found = Map<EventNid, { readonly type: string; readonly stateKey: string }>

/**
 * The state events that make a client's copy right: "updates to the state, between the time indicated by `since`, and
 * the start of the timeline" (with `useStateAfter`: its end). Changes that no event of the answer's timeline tells of
 * (left out by a filter, or made by state resolution) are among them, so that nothing is ever missed.
 */
export async function stateUpdates(tx: ReadTx, request: StateRequest): Promise<EventRow[]> {
  const found = request.useStateAfter ? await changed(tx, request.base, request.end) : await beforeTimeline(tx, request)
  const rows = await lazily(tx, request, found)
  return rows.filter((row) => roomEventPasses(request.filter, request.roomId, row.event))
}

async function beforeTimeline(tx: ReadTx, request: StateRequest): Promise<Found> {
  const start = request.timeline[0]?.stateBefore ?? request.end
  const found = await changed(tx, request.base, start)
  const last = request.timeline.at(-1)
  if (last !== undefined) {
    const told = new Set(
      request.timeline.flatMap(({ event }) => (event.stateKey === null ? [] : [`${event.type}\0${event.stateKey}`])),
    )
    for (const [nid, key] of await changed(tx, start, request.end)) {
      if (!told.has(`${key.type}\0${key.stateKey}`)) found.set(nid, key)
    }
  }
  for (const row of request.timeline) found.delete(row.nid)
  return found
}

async function changed(tx: ReadTx, base: StateId, end: StateId): Promise<Found> {
  const found: Found = new Map()
  if (base === end) return found
  const timeSlice = new TimeSlice()
  if (base === 0) {
    for (const { eventNid, type, stateKey } of await tx.state.entries(end)) {
      await timeSlice.yieldIfDue()
      found.set(eventNid, { type, stateKey })
    }
    return found
  }
  for (const { b, type, stateKey } of await tx.state.diff(base, end)) if (b !== null) found.set(b, { type, stateKey })
  return found
}

/**
 * Leaves out the members whom nobody asked for, where the filter loads them lazily, and adds those who are needed.
 * Changes of members since the client's last sync are always told: it may know them. So are those of a room that it gets
 * from scratch: it may have asked for the members after that sync, and then lost what came later.
 */
async function lazily(tx: ReadTx, request: StateRequest, found: Found): Promise<EventRow[]> {
  const { sent } = request
  if (sent === null) {
    const state = [...found.keys()]
    return inOrder(await tx.events.byNids(state), state)
  }
  const needed = new Set(request.needed)
  for (const { event } of request.timeline) needed.add(event.sender)
  const news = await memberUpdate(tx, request)
  const kept: EventNid[] = []
  const timeSlice = new TimeSlice()
  for (const [nid, { type, stateKey }] of found) {
    await timeSlice.yieldIfDue()
    if (type !== 'm.room.member' || request.base !== 0 || needed.has(stateKey as UserId) || news.has(nid))
      kept.push(nid)
  }
  const at = request.useStateAfter ? request.end : (request.timeline[0]?.stateBefore ?? request.end)
  const missing = [...needed].filter((userId) => !kept.some((nid) => found.get(nid)?.stateKey === userId))
  const members = await tx.state.getMany(
    at,
    missing.map((userId) => ['m.room.member', userId] as const),
  )
  const wanted = [...kept, ...members.filter((nid) => nid !== null)]
  const rows = inOrder(await tx.events.byNids(wanted), wanted)
  return rows.filter(({ nid, event }) => {
    if (event.type !== 'm.room.member' || event.stateKey === null) return true
    const isNew = request.base !== 0 && found.has(nid)
    // Who gets the room from scratch has forgotten what was sent of it before.
    const isRedundant = request.base !== 0 && !isNew && sent.has(request.roomId, event.stateKey, event.eventId)
    sent.add(request.roomId, event.stateKey, event.eventId)
    return !isRedundant
  })
}

async function memberUpdate(tx: ReadTx, { base, memberBase, end }: StateRequest): Promise<ReadonlySet<EventNid>> {
  if (base !== 0 || memberBase === null) return new Set()
  const news = [...(await changed(tx, memberBase, end))]
  return new Set(news.flatMap(([nid, { type }]) => (type === 'm.room.member' ? [nid] : [])))
}

function inOrder(events: ReadonlyMap<EventNid, EventRow>, nids: readonly EventNid[]): EventRow[] {
  return nids.flatMap((nid) => events.get(nid) ?? [])
}
