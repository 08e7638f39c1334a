/** The events of a new room, as `POST /createRoom` has them in order. */
import type { RoomAlias, UserId } from '#core/ids.ts'
import { type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'
import {
  checkPowerLevelContent,
  defaultPowerLevels,
  withTombstoneLevel,
} from '#services/rooms/creation/power-level-content.ts'

export type Preset = 'private_chat' | 'public_chat' | 'trusted_private_chat'
export type Visibility = 'public' | 'private'

/** A piece of state that is still to be sent by the room's creator. */
export type InitialState = { readonly type: string; readonly state_key?: string; readonly content: JsonObject }

/** What is asked of `createRoom`, in the specification's names. */
export type CreateRoomRequest = {
  readonly visibility?: Visibility
  readonly preset?: Preset
  readonly room_alias_name?: string
  readonly name?: string
  readonly topic?: string
  readonly invite?: readonly UserId[]
  readonly room_version?: string
  readonly creation_content?: JsonObject
  readonly initial_state?: readonly InitialState[]
  readonly is_direct?: boolean
  readonly power_level_content_override?: JsonObject
}

type PresetState = { readonly joinRule: string; readonly guestAccess: string | null; readonly inviteLevel: number }

/**
 * What a preset sets: join rule, guest access and who may invite; history is `shared` in all of them. Guests are kept
 * out of a room that says nothing of them. Who may invite, the specification leaves open: as elsewhere everybody may
 * in private rooms, and moderators in public ones.
 */
const PRESETS: Readonly<Record<Preset, PresetState>> = {
  private_chat: { joinRule: 'invite', guestAccess: 'can_join', inviteLevel: 0 },
  trusted_private_chat: { joinRule: 'invite', guestAccess: 'can_join', inviteLevel: 0 },
  public_chat: { joinRule: 'public', guestAccess: null, inviteLevel: 50 },
}

export function presetOf(request: CreateRoomRequest): Preset {
  return request.preset ?? (request.visibility === 'public' ? 'public_chat' : 'private_chat')
}

/** The content of `m.room.create`. */
export function createContent(request: CreateRoomRequest, rules: RoomVersionRules, creator: UserId): JsonObject {
  // "The server will overwrite the following keys: creator, room_version."
  const { creator: _creator, room_version: _version, ...given } = request.creation_content ?? {}
  return {
    ...given,
    ...(rules.auth.createNamesCreator ? { creator } : {}),
    room_version: rules.version,
    ...additionalCreators(request, rules, creator),
  }
}

/** "the server SHOULD combine `additional_creators` specified here and the `invite` array", without doubles. */
function additionalCreators(request: CreateRoomRequest, rules: RoomVersionRules, creator: UserId): JsonObject {
  const isTrusted = presetOf(request) === 'trusted_private_chat' && rules.auth.privilegedCreators
  const given = member(request.creation_content ?? {}, 'additional_creators') ?? []
  // What isn't a list is for the authorisation rules to refuse.
  if (!isTrusted || !Array.isArray(given)) return {}
  const all = new Set<JsonValue>([...(given as readonly JsonValue[]), ...(request.invite ?? [])])
  all.delete(creator)
  return all.size === 0 ? {} : { additional_creators: [...all] }
}

/**
 * The state that follows the creator's own join, in the specification's order; the invitations are still to come.
 *
 * @throws M_BAD_JSON for power levels that no room may have
 */
export function initialState(
  request: CreateRoomRequest,
  rules: RoomVersionRules,
  creator: UserId,
  alias: RoomAlias | null,
): InitialState[] {
  const given = request.initial_state ?? []
  const events: InitialState[] = [powerLevels(request, rules, creator)]
  if (alias !== null) events.push({ type: 'm.room.canonical_alias', content: { alias } })
  // initial_state "takes precedence over events set by `preset`".
  const isGiven = (type: string) => given.some((event) => event.type === type && (event.state_key ?? '') === '')
  events.push(...presetState(presetOf(request)).filter(({ type }) => !isGiven(type)), ...given)
  if (request.name !== undefined) events.push({ type: 'm.room.name', content: { name: request.name } })
  if (request.topic !== undefined) events.push({ type: 'm.room.topic', content: topicContent(request.topic) })
  return events
}

function presetState(preset: Preset): InitialState[] {
  const { joinRule, guestAccess } = PRESETS[preset]
  return [
    { type: 'm.room.join_rules', content: { join_rule: joinRule } },
    { type: 'm.room.history_visibility', content: { history_visibility: 'shared' } },
    ...(guestAccess === null ? [] : [{ type: 'm.room.guest_access', content: { guest_access: guestAccess } }]),
  ]
}

function powerLevels(request: CreateRoomRequest, rules: RoomVersionRules, creator: UserId): InitialState {
  const preset = presetOf(request)
  const isTrusted = preset === 'trusted_private_chat'
  const defaults = defaultPowerLevels(rules, creator, isTrusted ? (request.invite ?? []) : [])
  const content = withTombstoneLevel(
    { ...defaults, invite: PRESETS[preset].inviteLevel, ...request.power_level_content_override },
    rules,
  )
  checkPowerLevelContent(content)
  return { type: 'm.room.power_levels', content }
}

/** "an `m.room.topic` event with a `text/plain` mimetype". */
function topicContent(topic: string): JsonObject {
  return { topic, 'm.topic': { 'm.text': [{ body: topic, mimetype: 'text/plain' }] } }
}
