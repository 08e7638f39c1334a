/** The joining side's half of the handshakes: our own event, of which a resident server says only where it stands. */
import type { EventTemplate } from '#core/event/build-event.ts'
import { buildEvent } from '#core/event/build-event.ts'
import type { Event } from '#core/event/event.ts'
import type { EventReference } from '#core/event/hash.ts'
import { parseEvent } from '#core/event/parse-event.ts'
import type { Signer } from '#core/event/sign.ts'
import { isEventIdOf, isHashRoomId, isUserId, type RoomId, type UserId } from '#core/ids.ts'
import { isJsonObject, type JsonArray, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { ROOM_VERSIONS, type RoomVersionRules } from '#core/room-versions.ts'

/** Memberships that a user takes by way of a resident server. */
export type HandshakeMembership = 'join' | 'knock' | 'leave'

/** What a local user wants; everything of their event that says anything. */
export type WantedMembership = {
  readonly roomId: RoomId
  readonly userId: UserId
  readonly membership: HandshakeMembership
  /** Profile fields and the reason. */
  readonly content: JsonObject
  readonly originServerTs: number
}

/** A resident server's answer that can't be used: "the response MUST be treated as malformed and discarded". */
export class MalformedAnswerError extends Error {
  override readonly name = 'MalformedAnswerError'
}

/**
 * Makes the event that a local user wants, in the place of the room's graph that the answer to `make_join`,
 * `make_knock` or `make_leave` names. The template itself is never signed: of it only `prev_events`, `auth_events`,
 * `depth` and the user who vouches for a restricted join are taken over, and the answer is refused altogether where it
 * speaks of anything but what was asked for.
 *
 * @throws MalformedAnswerError; M_INCOMPATIBLE_ROOM_VERSION for a room version that this server doesn't have
 */
export function ownMemberEvent(
  answer: JsonValue,
  wanted: WantedMembership,
  signer: Signer,
  newLocalpart: () => string,
): Event {
  if (!isJsonObject(answer)) throw new MalformedAnswerError('not an object')
  const rules = rulesOf(answer)
  const template = member(answer, 'event')
  if (!isJsonObject(template)) throw new MalformedAnswerError('no event')
  checkTemplate(template, wanted, rules)
  const own = buildEvent(ownTemplate(template, wanted, rules), rules, signer, newLocalpart)
  // No more references than there may be.
  const parsed = parseEvent(own.json, rules, { eventId: own.eventId })
  if (!parsed.ok) throw new MalformedAnswerError(parsed.reason)
  return parsed.event
}

/** "If not provided, the room version is assumed to be either "1" or "2"". */
function rulesOf(answer: JsonObject): RoomVersionRules {
  const version = member(answer, 'room_version') ?? '1'
  const rules = typeof version === 'string' ? ROOM_VERSIONS.get(version) : undefined
  if (rules !== undefined) return rules
  throw new MatrixError('M_INCOMPATIBLE_ROOM_VERSION', 'This server does not have the version of the room', {
    extra: typeof version === 'string' ? { room_version: version } : {},
  })
}

/** "The sending server MUST verify that" the template is of the room, the user and the membership it asked for. */
function checkTemplate(template: JsonObject, wanted: WantedMembership, rules: RoomVersionRules): void {
  const { roomId, userId, membership } = wanted
  const expected = { type: 'm.room.member', room_id: roomId, sender: userId, state_key: userId }
  for (const [key, value] of Object.entries(expected)) {
    if (member(template, key) !== value) throw new MalformedAnswerError(`${key} is not ${value}`)
  }
  const content = member(template, 'content')
  if (!isJsonObject(content) || member(content, 'membership') !== membership) {
    throw new MalformedAnswerError(`membership is not ${membership}`)
  }
  if (rules.roomIdIsCreateHash !== isHashRoomId(roomId)) {
    throw new MalformedAnswerError(`${roomId} is no room of version ${rules.version}`)
  }
  const depth = member(template, 'depth')
  if (!Number.isSafeInteger(depth) || (depth as number) < 1) throw new MalformedAnswerError('depth is no depth')
}

function ownTemplate(template: JsonObject, wanted: WantedMembership, rules: RoomVersionRules): EventTemplate {
  const { roomId, userId, membership, content, originServerTs } = wanted
  const prevEvents = references(template, 'prev_events', rules)
  if (prevEvents.length === 0) throw new MalformedAnswerError('no prev_events')
  return {
    type: 'm.room.member',
    state_key: userId,
    sender: userId,
    room_id: roomId,
    content: { ...content, membership, ...vouching(template, wanted, rules) },
    prev_events: prevEvents,
    auth_events: references(template, 'auth_events', rules),
    depth: member(template, 'depth') as number,
    origin_server_ts: originServerTs,
  }
}

/** The cited events, made anew, so that nothing else is signed along with them. */
function references(template: JsonObject, key: string, rules: RoomVersionRules): EventReference[] {
  const list = member(template, key)
  if (!Array.isArray(list)) throw new MalformedAnswerError(`${key} is not a list`)
  return (list as JsonArray).map((entry) => {
    const [id, hashes] = rules.eventReferences === 'ids' ? [entry] : Array.isArray(entry) ? (entry as JsonArray) : []
    if (typeof id !== 'string' || !isEventIdOf(id, rules.eventIdFormat)) {
      throw new MalformedAnswerError(`${key} holds what is not an event id`)
    }
    if (rules.eventReferences === 'ids') return id
    const sha256 = isJsonObject(hashes) ? member(hashes, 'sha256') : undefined
    // Nothing relies on the hash, and some servers leave it out.
    return [id, typeof sha256 === 'string' ? { sha256 } : {}]
  })
}

/** Who vouches for a restricted join: what only the resident server can know. */
function vouching(template: JsonObject, { membership }: WantedMembership, rules: RoomVersionRules): JsonObject {
  if (membership !== 'join' || !rules.auth.restrictedJoin) return {}
  const via = member(member(template, 'content') as JsonObject, 'join_authorised_via_users_server')
  if (via === undefined) return {}
  if (typeof via !== 'string' || !isUserId(via)) throw new MalformedAnswerError('the authorising user is none')
  return { join_authorised_via_users_server: via }
}
