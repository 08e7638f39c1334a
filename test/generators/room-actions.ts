import { type Event, stateMapKey } from '#core/event/event.ts'
import type { UserId } from '#core/ids.ts'
import { isJsonObject, type JsonArray, type JsonObject, type JsonValue } from '#core/json/value.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'
import type { Random } from '#test/generators/random.ts'

/** The users of generated rooms; the first creates the room. */
export const USERS = [
  '@alice:a.example',
  '@bob:b.example',
  '@carol:c.example',
  '@dave:a.example',
  '@erin:b.example',
  '@frank:c.example',
] as readonly string[] as readonly UserId[]
export const CREATOR = USERS[0] as UserId

/** An event before it has its place in the graph. */
export type Draft = {
  readonly type: string
  readonly state_key?: string
  readonly sender: UserId
  readonly content: JsonObject
}

/** What an action may look at: the state that its sender sees. */
export type ActionContext = {
  readonly rules: RoomVersionRules
  readonly random: Random
  readonly stateEvent: (key: string) => Event | undefined
}

const ACTIONS = {
  join: 12,
  restrictedJoin: 5,
  leave: 4,
  invite: 7,
  knock: 2,
  kick: 6,
  ban: 7,
  powerLevels: 12,
  joinRules: 8,
  topic: 10,
  name: 3,
  aliases: 2,
  ownState: 2,
  message: 2,
}
type Action = keyof typeof ACTIONS

/** Something that someone in the room might do next; often, but not always, allowed. */
export function randomDraft(context: ActionContext): Draft {
  return draftOf(context.random.weighted<Action>(ACTIONS), context)
}

function draftOf(action: Action, context: ActionContext): Draft {
  const { random } = context
  const sender = likelySender(context)
  const target = random.pick(USERS)
  switch (action) {
    case 'join':
      return membership(target, target, 'join')
    case 'restrictedJoin':
      return membership(target, target, 'join', { join_authorised_via_users_server: random.pick(USERS) })
    case 'leave':
      return membership(target, target, 'leave')
    case 'knock':
      return membership(target, target, 'knock')
    case 'invite':
      return membership(sender, target, 'invite')
    case 'kick':
      return membership(sender, target, 'leave')
    case 'ban':
      return membership(sender, target, 'ban')
    case 'powerLevels':
      return { type: 'm.room.power_levels', state_key: '', sender, content: changedLevels(context) }
    case 'joinRules':
      return { type: 'm.room.join_rules', state_key: '', sender, content: { join_rule: joinRule(context) } }
    case 'topic':
      return { type: 'm.room.topic', state_key: '', sender, content: { topic: `topic ${random.between(0, 999)}` } }
    case 'name':
      return { type: 'm.room.name', state_key: '', sender, content: { name: `name ${random.between(0, 999)}` } }
    case 'aliases':
      return { type: 'm.room.aliases', state_key: random.pick(DOMAINS), sender, content: { aliases: [] } }
    case 'ownState':
      return { type: 'org.example.own', state_key: target, sender, content: { value: random.between(0, 9) } }
    case 'message':
      return { type: 'm.room.message', sender, content: { body: 'hello' } }
  }
}

const DOMAINS = ['a.example', 'b.example', 'c.example']

function membership(sender: UserId, target: UserId, value: string, more: JsonObject = {}): Draft {
  return { type: 'm.room.member', state_key: target, sender, content: { membership: value, ...more } }
}

/** Mostly someone who is in the room, so that much of what is tried succeeds. */
function likelySender({ random, stateEvent }: ActionContext): UserId {
  const joined = USERS.filter((userId) => {
    return stateEvent(stateMapKey('m.room.member', userId))?.content['membership'] === 'join'
  })
  return joined.length > 0 && random.chance(0.9) ? random.pick(joined) : random.pick(USERS)
}

function joinRule({ rules, random }: ActionContext): string {
  const known = ['public', 'public', 'invite', 'private']
  if (rules.auth.knock) known.push('knock')
  if (rules.auth.restrictedJoin) known.push('restricted', 'restricted')
  if (rules.auth.knockRestricted) known.push('knock_restricted')
  return random.pick(known)
}

const LEVELS = [0, 10, 25, 50, 50, 75, 100]

/** The power levels as they are, with one or two changes. */
function changedLevels(context: ActionContext): JsonObject {
  const { random, stateEvent } = context
  const content: Record<string, JsonValue> = { ...stateEvent(stateMapKey('m.room.power_levels', ''))?.content }
  for (let changes = random.between(1, 2); changes > 0; changes--) {
    const kind = random.weighted({ user: 8, property: 3, event: 3, notification: 1 })
    if (kind === 'property') {
      content[random.pick(['ban', 'kick', 'invite', 'redact', 'state_default', 'users_default'])] = level(context)
    } else if (kind === 'user') content['users'] = changedEntry(content['users'], userWithLevel(context), context)
    else if (kind === 'event') {
      const type = random.pick(['m.room.topic', 'm.room.name', 'm.room.power_levels'])
      content['events'] = changedEntry(content['events'], type, context)
    } else content['notifications'] = changedEntry(content['notifications'], 'room', context)
  }
  return content
}

/** Creators of version 12 can't be given a level. Synapse's resolver fails on an event that tries. */
function userWithLevel({ rules, random, stateEvent }: ActionContext): UserId {
  if (!rules.auth.privilegedCreators) return random.pick(USERS)
  const others = stateEvent(stateMapKey('m.room.create', ''))?.content['additional_creators'] ?? []
  return random.pick(USERS.filter((userId) => userId !== CREATOR && !(others as JsonArray).includes(userId)))
}

function changedEntry(map: JsonValue | undefined, key: string, context: ActionContext): JsonObject {
  const entries: JsonObject = isJsonObject(map) ? map : {}
  const { [key]: _old, ...others } = entries
  return context.random.chance(0.1) ? others : { ...others, [key]: level(context) }
}

/** Before version 10 now and then in the form of a string. */
function level({ rules, random }: ActionContext): JsonValue {
  const value = random.pick(LEVELS)
  return !rules.auth.integerPowerLevels && random.chance(0.1) ? String(value) : value
}
