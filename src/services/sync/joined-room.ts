import { type RoomEventFilter, roomEventPasses } from '#core/filter/event-filter.ts'
import type { Filter } from '#core/filter/filter.ts'
import type { RoomId, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { receiptUpdates } from '#services/receipts/receipt-events.ts'
import { consistentTimeline } from '#services/sync/consistent-timeline.ts'
import { withLateRedactions } from '#services/sync/late-redactions.ts'
import { stateUpdates } from '#services/sync/room-state.ts'
import { roomSummary } from '#services/sync/room-summary.ts'
import type { MemberMemory } from '#services/sync/sent-members.ts'
import type { SyncAnswer } from '#services/sync/sync-answer.ts'
import type { JoinedRoom, LeftRoom, RoomView, StateAfter } from '#services/sync/sync-types.ts'
import { type Slice, startRank, timelineSlice } from '#services/sync/timeline-slice.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import { tokenAtRank } from '#services/timeline/token-rank.ts'
import type { EventRow } from '#store/types/events.ts'
import type { StateId } from '#store/types/state.ts'

/** The answer's part about a room that the user is joined to; null where there is nothing to tell. */
export async function joinedRoom(answer: SyncAnswer, room: RoomView): Promise<JoinedRoom | null> {
  const { tx, request, to } = answer
  const { filter } = request
  const from = room.isNew && !room.isRejoin ? null : answer.from
  const timeSlice = new TimeSlice()
  const end = await tx.state.at(room.roomNid, to)
  const slice = await updatesOf(answer, room, from, to, end)
  await timeSlice.yieldIfDue()
  const base = await clientsState(answer, room)
  const summary = room.isNew || base !== end ? await roomSummary(tx, room.roomNid, request.viewer.userNid) : null
  const needed = new Set<UserId>(summary?.heroes)
  if (base === 0) needed.add(request.viewer.userId)
  const state = await stateUpdates(tx, {
    roomId: room.roomId,
    filter: filter.room.state,
    base,
    memberBase: base === 0 ? await memberBase(answer, room) : null,
    end,
    timeline: slice.rows,
    useStateAfter: request.stateAfter !== null,
    needed,
    sent: memberMemory(filter.room.state, answer.memory),
  })
  await timeSlice.yieldIfDue()
  const allEphemeral = await ephemeralOf(answer, room)
  const ephemeral = allEphemeral.filter((event) => passes(filter.room.ephemeral, room.roomId, event))
  const accountData = await accountDataOf(answer, room, filter.room.accountData)
  const isSilent = slice.rows.length === 0 && state.length === 0 && ephemeral.length === 0 && accountData.length === 0
  if (isSilent && !room.isNew && !request.fullState && !slice.limited && summary === null) {
    // What the filter leaves out, a redaction for example, may still have changed the unread counts.
    const hidesNews = slice.hidesNews || allEphemeral.length > 0
    if (!hidesNews || !(await answer.hasUnreadUpdate(room.roomNid))) return null
  }
  const unread = await answer.unread(room.roomNid)
  return {
    // Clients expect it also where the timeline holds all of a room that the user has entered since.
    timeline: await timelineOf(answer, slice, room.isNew && request.since !== null),
    ...(await stateOf(answer, state)),
    ephemeral: { events: ephemeral },
    account_data: { events: accountData },
    summary: summary?.json ?? {},
    ...unread,
  }
}

/**
 * The answer's part about a room that the user left, or was removed from. Where the end of a fork took back what they
 * were joined by, `since`, the position from which on they are out, is later than the member event that stands then.
 */
export async function leftRoom(answer: SyncAnswer, room: RoomView, leave: EventRow, since: number): Promise<LeftRoom> {
  const { tx, request } = answer
  const isByFork = await isOfThePast(answer, room, leave)
  const leftAt = Math.min(isByFork ? since : (leave.position ?? answer.to), answer.to)
  const end = isByFork ? await tx.state.at(room.roomNid, leftAt) : leave.stateAfter
  const from = room.isNew && !room.isRejoin ? null : answer.from
  const inside = await updatesOf(answer, room, from, leftAt, end)
  const slice = isByFork ? inside : withOwnLeaving(inside, leave, request.filter.room.timeline, room)
  // An uninvited or refused guest never saw the room's state: their own membership is all there is to tell.
  const wasInside = await answer.wasJoinedBefore(room.roomNid, leave)
  const base = await clientsState(answer, room)
  const state = !wasInside
    ? []
    : await stateUpdates(tx, {
        roomId: room.roomId,
        filter: request.filter.room.state,
        base,
        memberBase: base === 0 ? await memberBase(answer, room) : null,
        end,
        timeline: slice.rows,
        useStateAfter: request.stateAfter !== null,
        needed: new Set([request.viewer.userId]),
        sent: memberMemory(request.filter.room.state, answer.memory),
      })
  return {
    timeline: await timelineOf(answer, slice, room.isRejoin),
    ...(await stateOf(answer, state)),
    account_data: { events: await accountDataOf(answer, room, request.filter.room.accountData) },
  }
}

/** The state that the client has: nothing where it gets the room from scratch. */
async function clientsState({ tx, request, from }: SyncAnswer, room: RoomView): Promise<StateId> {
  return room.isNew || request.fullState ? (0 as StateId) : tx.state.at(room.roomNid, from)
}

/**
 * The state whose members a client may have been given in full at some time after `from`, if it synced that far: that at
 * `from`, or of a room that this server had no user in then the one that the first of them found.
 */
async function memberBase({ tx, request, from }: SyncAnswer, room: RoomView): Promise<StateId | null> {
  if (request.since === null || !request.filter.room.state.lazyLoadMembers) return null
  const known = await tx.state.at(room.roomNid, from)
  if (known !== 0) return known
  const localSince = await tx.memberships.localSince(room.roomNid)
  return localSince === null ? null : tx.state.at(room.roomNid, localSince)
}

/** Whether the member event is older than what the client asks for, and none that stands outside of the room's copy. */
async function isOfThePast({ tx, request, from }: SyncAnswer, room: RoomView, member: EventRow): Promise<boolean> {
  if (member.position !== null) return member.position <= from
  return (await tx.memberships.stripped(request.viewer.userNid, room.roomNid)) === null
}

async function updatesOf(
  answer: SyncAnswer,
  room: RoomView,
  from: number | null,
  to: number,
  end: StateId,
): Promise<Slice> {
  const request = {
    roomNid: room.roomNid,
    roomId: room.roomId,
    reader: answer.request.viewer,
    filter: answer.request.filter.room.timeline,
    from,
    to,
    ignored: answer.ignored,
  }
  const slice = await settled(answer, await timelineSlice(answer.tx, request), end)
  return withLateRedactions(answer.tx, request, slice)
}

/** With `state_after` clients take no state from the timeline. */
async function settled({ tx, request }: SyncAnswer, slice: Slice, end: StateId): Promise<Slice> {
  return request.stateAfter === null ? consistentTimeline(tx, slice, end) : slice
}

/** The user's own leaving is told even where the room's history is closed to them: a refused invitation, for example. */
function withOwnLeaving(slice: Slice, leave: EventRow, filter: RoomEventFilter, room: RoomView): Slice {
  if (slice.rows.some((row) => row.nid === leave.nid) || !roomEventPasses(filter, room.roomId, leave.event))
    return slice
  return { ...slice, rows: [...slice.rows, leave] }
}

async function timelineOf(answer: SyncAnswer, slice: Slice, isCut: boolean): Promise<JoinedRoom['timeline']> {
  return {
    events: await answer.serialise(slice.rows),
    limited: slice.limited || isCut,
    prev_batch: tokenAtRank(startRank(slice)),
  }
}

async function stateOf(answer: SyncAnswer, rows: readonly EventRow[]): Promise<Pick<JoinedRoom, 'state' | StateAfter>> {
  return { [answer.request.stateAfter ?? 'state']: { events: await answer.serialise(rows) } }
}

function memberMemory(filter: RoomEventFilter, memory: MemberMemory): MemberMemory | null {
  return filter.lazyLoadMembers ? memory : null
}

async function ephemeralOf(answer: SyncAnswer, room: RoomView): Promise<JsonObject[]> {
  const { tx, request } = answer
  const events: JsonObject[] = []
  const from = room.isNew ? 0 : answer.from
  events.push(...(await receiptUpdates(tx, room.roomNid, request.viewer.userNid, { from, to: answer.to })))
  if (answer.hasTypingUpdate(room))
    events.push({ type: 'm.typing', content: { user_ids: answer.typingIn(room.roomNid) } })
  return events
}

async function accountDataOf(
  answer: SyncAnswer,
  room: RoomView,
  filter: Filter['room']['accountData'],
): Promise<JsonObject[]> {
  const rows = await answer.roomAccountData(room)
  return rows.map(({ type, content }) => ({ type, content })).filter((event) => passes(filter, room.roomId, event))
}

function passes(filter: RoomEventFilter, roomId: RoomId, event: JsonObject): boolean {
  return roomEventPasses(filter, roomId, { type: event['type'] as string, content: event['content'] as JsonObject })
}
