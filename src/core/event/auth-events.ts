import type { StateKey } from '#core/event/event.ts'
import type { UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'

/** What of an event decides which state authorises it. */
export type AuthSubject = {
  readonly type: string
  readonly stateKey: string | null
  readonly sender: UserId
  readonly content: JsonObject
}

/**
 * The keys of the state that authorises an event, each once (server-server API, "Auth events selection"). An event's
 * `auth_events` are what the room's state has for them.
 */
export function authEventKeys(subject: AuthSubject, rules: RoomVersionRules): StateKey[] {
  // "The auth_events for the m.room.create event in a room is empty"
  if (subject.type === 'm.room.create') return []
  const keys: StateKey[] = []
  // Version 12: "m.room.create MUST NOT be selected"; the room id implies it.
  if (!rules.roomIdIsCreateHash) keys.push(['m.room.create', ''])
  keys.push(['m.room.power_levels', ''], ['m.room.member', subject.sender])
  if (subject.type === 'm.room.member') keys.push(...memberAuthKeys(subject, rules))
  return keys
}

function memberAuthKeys({ stateKey, sender, content }: AuthSubject, rules: RoomVersionRules): StateKey[] {
  const keys: StateKey[] = []
  const users = new Set<string>([sender])
  const addMember = (userId: JsonValue | undefined | null) => {
    if (typeof userId !== 'string' || users.has(userId)) return
    users.add(userId)
    keys.push(['m.room.member', userId])
  }
  addMember(stateKey)
  const membership = member(content, 'membership')
  if (membership === 'join' || membership === 'invite' || membership === 'knock') keys.push(['m.room.join_rules', ''])
  if (membership === 'invite') {
    const token = thirdPartyToken(content)
    if (token !== null) keys.push(['m.room.third_party_invite', token])
  }
  if (membership === 'join' && rules.auth.restrictedJoin) addMember(member(content, 'join_authorised_via_users_server'))
  return keys
}

function thirdPartyToken(content: JsonObject): string | null {
  const invite = member(content, 'third_party_invite')
  const signed = isJsonObject(invite) ? member(invite, 'signed') : undefined
  const token = isJsonObject(signed) ? member(signed, 'token') : undefined
  return typeof token === 'string' ? token : null
}
