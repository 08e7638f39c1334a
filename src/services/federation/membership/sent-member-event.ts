/** The resident side's look at what others send: member events that are to be signed, or let into a room, here. */
import type { Event } from '#core/event/event.ts'
import { expectEvent } from '#core/event/parse-event.ts'
import { type EventId, isUserId, type RoomId, type ServerName, serverOf } from '#core/ids.ts'
import { type JsonObject, member } from '#core/json/value.ts'
import { invalidParam } from '#core/matrix-error.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'
import type { HandshakeMembership } from '#services/federation/membership/own-member-event.ts'

/** What the request says of the event besides the event itself. */
export type SentEvent = {
  readonly json: JsonObject
  /** Of the path. */
  readonly roomId: RoomId
  readonly eventId: EventId
  /** Who sent the request. */
  readonly origin: ServerName
  /** Whether the sender may be of another server. */
  readonly isForAnother?: boolean
}

/**
 * Reads the event of a `send_join`, `send_knock` or `send_leave`. The signature is for the caller to check.
 *
 * @throws M_INVALID_PARAM for an event that isn't what the request may send, M_BAD_JSON or M_TOO_LARGE for a malformed one
 */
export function readSentEvent(sent: SentEvent, membership: HandshakeMembership, rules: RoomVersionRules): Event {
  const event = readMemberEvent(sent, membership, rules)
  if (event.stateKey !== event.sender) throw invalidParam('state_key is not the sender')
  return event
}

/**
 * Reads the event of an `invite`, which this server is asked to sign. The signature of the server that sent it is for
 * the caller to check.
 *
 * @throws M_INVALID_PARAM for anything but an invite of one of our users, M_BAD_JSON or M_TOO_LARGE
 */
export function readInvite(sent: SentEvent, ours: ServerName, rules: RoomVersionRules): Event {
  const event = readMemberEvent(sent, 'invite', rules)
  const invitee = event.stateKey ?? ''
  if (!isUserId(invitee) || serverOf(invitee) !== ours) throw invalidParam('The invited user is not of this server')
  return event
}

function readMemberEvent(sent: SentEvent, membership: string, rules: RoomVersionRules): Event {
  const { json, roomId, eventId, origin, isForAnother = false } = sent
  const event = expectEvent(json, rules)
  if (event.type !== 'm.room.member') throw invalidParam('The event is not of the type m.room.member')
  if (member(event.content, 'membership') !== membership) throw invalidParam(`membership is not '${membership}'`)
  if (serverOf(event.sender) !== origin && !isForAnother)
    throw invalidParam('The sender is not of the server that asks')
  if (event.roomId !== roomId) throw invalidParam('room_id is not that of the path')
  if (event.eventId !== eventId) throw invalidParam('The event id is not that of the path')
  return event
}
