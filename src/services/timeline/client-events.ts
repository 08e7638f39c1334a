/**
 * The one way in which events reach clients: the client format, with the `unsigned` members that this server computes.
 * Nothing of what the sender put into `unsigned` passes, nor any federation field.
 */
import type { Event } from '#core/event/event.ts'
import type { DeviceId, EventId, UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { ReadTx } from '#store/store.ts'
import type { EventNid, EventRow } from '#store/types/events.ts'
import type { UserNid } from '#store/types/users.ts'

/** Who will see the events. */
export type Viewer = { readonly userId: UserId; readonly userNid: UserNid; readonly deviceId: DeviceId | null }

export type ClientFormat = {
  /**
   * Left out where the answer implies the room, as in `/sync`. NOTSPEC: all other answers have `user_id` beside `sender`
   * too, as in the first version of the API: some clients read nothing else there.
   */
  readonly withRoomId: boolean
}

/** Turns stored events into what clients get (client-server API, "Room event format"). */
export class ClientEvents {
  readonly #clock: () => number
  constructor(clock: () => number) {
    this.#clock = clock
  }

  /**
   * The events in the order given. Visibility is the caller's business (`visibleEvents`); what is added here (previous
   * content, the redaction) belongs to events that the viewer may see.
   */
  async serialise(
    tx: ReadTx,
    rows: readonly EventRow[],
    viewer: Viewer | null,
    format: ClientFormat,
  ): Promise<JsonObject[]> {
    const redactions = await redactionsOf(tx, rows)
    const [replaced, transactionIds, memberships] = await Promise.all([
      replacedState(tx, rows),
      transactionIdsOf(tx, [...rows, ...redactions.values()], viewer),
      viewer === null ? new Map<EventNid, string>() : membershipsAt(tx, rows, viewer.userId),
    ])
    const now = this.#clock()
    const timeSlice = new TimeSlice()
    const serialised: JsonObject[] = []
    for (const row of rows) {
      await timeSlice.yieldIfDue()
      const unsigned: Record<string, JsonValue> = { age: Math.max(0, now - row.event.originServerTs) }
      const transactionId = transactionIds.get(row.nid)
      if (transactionId !== undefined) unsigned['transaction_id'] = transactionId
      const membership = memberships.get(row.nid)
      if (membership !== undefined) unsigned['membership'] = membership
      const before = replaced.get(row.nid)
      if (before !== undefined) {
        unsigned['prev_content'] = before.event.content
        unsigned['prev_sender'] = before.event.sender
        unsigned['replaces_state'] = before.event.eventId
      }
      const redaction = row.redactedBy === null ? undefined : redactions.get(row.redactedBy)
      if (redaction !== undefined) {
        const itsTransactionId = transactionIds.get(redaction.nid)
        unsigned['redacted_because'] = clientEvent(redaction.event, format, {
          age: Math.max(0, now - redaction.event.originServerTs),
          ...(itsTransactionId !== undefined && { transaction_id: itsTransactionId }),
        })
      }
      serialised.push(clientEvent(row.event, format, unsigned))
    }
    return serialised
  }
}

/** The client format of one event, with the `unsigned` given. */
export function clientEvent(event: Event, format: ClientFormat, unsigned: JsonObject): JsonObject {
  return {
    type: event.type,
    ...(event.stateKey === null ? {} : { state_key: event.stateKey }),
    sender: event.sender,
    ...(format.withRoomId ? { user_id: event.sender, room_id: event.roomId } : {}),
    event_id: event.eventId,
    origin_server_ts: event.originServerTs,
    content: contentWithRedacts(event),
    // "For backwards-compatibility with older clients, servers should add a `redacts` property to the top level."
    ...(event.redacts === null ? {} : { redacts: event.redacts }),
    unsigned,
  }
}

/** The stripped form of a state event, for those who may see no more (specification, "Stripped state"). */
export function strippedEvent(event: Event): JsonObject {
  return { type: event.type, state_key: event.stateKey ?? '', sender: event.sender, content: event.content }
}

/** "… and should copy the top-level `redacts` into `content`" where the room version has it at the top level. */
function contentWithRedacts(event: Event): JsonObject {
  if (event.type !== 'm.room.redaction' || event.redacts === null || Object.hasOwn(event.content, 'redacts')) {
    return event.content
  }
  return { ...event.content, redacts: event.redacts }
}

async function replacedState(tx: ReadTx, rows: readonly EventRow[]): Promise<Map<EventNid, EventRow>> {
  const before = new Map<EventNid, EventNid>()
  const timeSlice = new TimeSlice()
  for (const row of rows) {
    const { type, stateKey } = row.event
    // Of an event without a place in the timeline nobody knows what it replaced.
    if (stateKey === null || row.rank === null) continue
    await timeSlice.yieldIfDue()
    const nid = (await tx.state.get(row.stateBefore, type, stateKey)) ?? (await ownMembershipBefore(tx, row))
    if (nid !== null && nid !== row.nid) before.set(row.nid, nid)
  }
  const events = await tx.events.byNids([...before.values()])
  const replaced = new Map<EventNid, EventRow>()
  for (const [nid, beforeNid] of before) {
    const event = events.get(beforeNid)
    if (event !== undefined) replaced.set(nid, event)
  }
  return replaced
}

/**
 * While a room's members aren't known yet, the state before a local user's join lacks the invite that they came by. It
 * is what clients find direct chats by, and nobody tells them of it later.
 */
async function ownMembershipBefore(tx: ReadTx, { roomNid, position, senderNid, event }: EventRow) {
  if (event.type !== 'm.room.member' || event.stateKey !== event.sender || position === null) return null
  const room = await tx.rooms.byNid(roomNid)
  if (room === null || room.partial === null) return null
  return (await tx.memberships.at(senderNid, roomNid, position - 1))?.eventNid ?? null
}

async function redactionsOf(tx: ReadTx, rows: readonly EventRow[]): Promise<Map<EventNid, EventRow>> {
  const nids = rows.flatMap((row) => (row.redactedBy === null ? [] : [row.redactedBy]))
  return nids.length === 0 ? new Map() : tx.events.byNids(nids)
}

async function transactionIdsOf(
  tx: ReadTx,
  rows: readonly EventRow[],
  viewer: Viewer | null,
): Promise<Map<EventNid, string>> {
  if (viewer === null || viewer.deviceId === null) return new Map()
  const own = rows.filter((row) => row.senderNid === viewer.userNid).map((row) => row.nid)
  return own.length === 0 ? new Map() : tx.events.transactionIds(viewer.userNid, viewer.deviceId, own)
}

/** "The room membership of the user making the request, at the time of the event", its own change included. */
async function membershipsAt(tx: ReadTx, rows: readonly EventRow[], userId: UserId): Promise<Map<EventNid, string>> {
  const byState = new Map<number, EventNid | null>()
  for (const row of rows) {
    if (!isMemberEventOf(row, userId) && !byState.has(row.stateAfter)) {
      byState.set(row.stateAfter, await tx.state.get(row.stateAfter, 'm.room.member', userId))
    }
  }
  const nids = [...new Set(byState.values())].filter((nid) => nid !== null)
  const events = await tx.events.byNids(nids)
  const memberships = new Map<EventNid, string>()
  for (const row of rows) {
    const nid = byState.get(row.stateAfter) ?? null
    const before = nid === null ? undefined : events.get(nid)?.event.content
    // Invitations from elsewhere stand outside of every state.
    const content = isMemberEventOf(row, userId) ? row.event.content : before
    memberships.set(row.nid, membershipIn(content))
  }
  return memberships
}

function isMemberEventOf({ event }: EventRow, userId: UserId): boolean {
  return event.type === 'm.room.member' && event.stateKey === userId
}

/** "If the user had yet to join the room at the time of the event … this property is `leave`." */
export function membershipIn(content: JsonObject | undefined): string {
  const membership = content === undefined ? undefined : member(content, 'membership')
  return typeof membership === 'string' ? membership : 'leave'
}

/** The event that an event relates to, with its relation type, or null (`m.relates_to`). */
export function relationOf(content: JsonObject): { relType: string; eventId: EventId } | null {
  const relatesTo = member(content, 'm.relates_to')
  if (!isJsonObject(relatesTo)) return null
  const relType = member(relatesTo, 'rel_type')
  const eventId = member(relatesTo, 'event_id')
  return typeof relType === 'string' && typeof eventId === 'string' ? { relType, eventId: eventId as EventId } : null
}
