/** The joining side's look at the answer to `send_join`. */
import type { Event } from '#core/event/event.ts'
import { without } from '#core/event/hash.ts'
import type { ServerName } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { isJsonObject, type JsonArray, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { isServerName } from '#core/server-name.ts'
import { MalformedAnswerError } from '#services/federation/membership/own-member-event.ts'

/** Servers that a room with partial state is filled up from. */
const SERVERS_MAX = 10_000

export type SendJoinReply = {
  /** Our event with the signatures that the resident server added. They haven't been checked. */
  readonly join: JsonObject
  /** In JSON that nobody has checked. */
  readonly state: readonly JsonObject[]
  readonly authChain: readonly JsonObject[]
  /** The servers in the room where the members were left out; null where the state is whole. */
  readonly serversOfPartial: readonly ServerName[] | null
}

/** @throws MalformedAnswerError */
export function readSendJoinReply(answer: JsonValue, event: Event): SendJoinReply {
  if (!isJsonObject(answer)) throw new MalformedAnswerError('not an object')
  return {
    join: withSignaturesOf(member(answer, 'event'), event),
    state: eventsIn(answer, 'state'),
    authChain: eventsIn(answer, 'auth_chain'),
    serversOfPartial: member(answer, 'members_omitted') === true ? serversIn(answer) : null,
  }
}

/** "The membership event sent to other servers by the resident server": ours with its signature, and nothing else. */
function withSignaturesOf(returned: JsonValue | undefined, { json }: Event): JsonObject {
  if (returned === undefined) return json
  const bare = (event: JsonObject) => canonicalJson(without(event, ['signatures', 'unsigned']))
  if (!isJsonObject(returned) || bare(returned) !== bare(json)) {
    throw new MalformedAnswerError('the event is not the one that was sent')
  }
  const added = member(returned, 'signatures')
  if (!isJsonObject(added)) throw new MalformedAnswerError('the event has no signatures')
  return { ...json, signatures: { ...added, ...(json['signatures'] as JsonObject) } }
}

function eventsIn(answer: JsonObject, key: string): JsonObject[] {
  const list = member(answer, key)
  if (!Array.isArray(list)) throw new MalformedAnswerError(`${key} is not a list`)
  return (list as JsonArray).filter(isJsonObject)
}

function serversIn(answer: JsonObject): ServerName[] {
  const list = member(answer, 'servers_in_room')
  const names = Array.isArray(list) ? (list as JsonArray).slice(0, SERVERS_MAX) : []
  return names.filter((name): name is ServerName => typeof name === 'string' && isServerName(name))
}
