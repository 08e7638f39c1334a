import type { Event } from '#core/event/event.ts'
import { domainOf, serverOf } from '#core/ids.ts'
import { type AuthResult, allow, reject } from './auth-result.ts'
import { contentField } from './content-field.ts'
import { checkMember } from './member-rules.ts'
import { checkPowerLevels } from './power-level-rules.ts'
import { RoomView, type StateLookup } from './room-view.ts'
import { type RuleNumbers, ruleNumbers } from './rule-numbers.ts'

/**
 * The rules that depend on a room's state, for an event that passed `checkStateIndependent`. `state` is only asked for
 * the keys that the auth events selection has for the event, and for the create event.
 */
export function checkStateDependent(event: Event, state: StateLookup): AuthResult {
  const numbers = ruleNumbers(event.rules)
  // Nothing about a create event depends on state.
  if (event.type === 'm.room.create') return allow(numbers.create.allow)
  const create = state('m.room.create', '')
  if (create === undefined) return reject(numbers.createMissing, 'the room has no create event')
  if (contentField(create, 'm.federate') === false && serverOf(event.sender) !== serverOf(create.sender)) {
    return reject(numbers.federate, 'the room does not federate')
  }
  if (event.type === 'm.room.aliases' && numbers.aliases !== null) return checkAliases(event, numbers.aliases)
  const room = new RoomView(event.rules, create, state)
  if (event.type === 'm.room.member') return checkMember(event, room, numbers.member)
  return checkSender(event, room, numbers) ?? checkByType(event, room, numbers)
}

function checkAliases(event: Event, rule: string): AuthResult {
  if (event.stateKey === null) return reject(`${rule}.1`, 'm.room.aliases needs a state key')
  if (serverOf(event.sender) !== event.stateKey) return reject(`${rule}.2`, "the state key is not the sender's domain")
  return allow(`${rule}.3`)
}

/** The rules that end the check; null where the event passes on to those of its type. */
function checkSender(event: Event, room: RoomView, numbers: RuleNumbers): AuthResult | null {
  if (room.membership(event.sender) !== 'join') return reject(numbers.senderJoined, 'the sender is not in the room')
  const { levels } = room
  const senderLevel = levels.userLevel(event.sender)
  if (event.type === 'm.room.third_party_invite') {
    const rule = numbers.thirdPartyInvite
    return senderLevel >= levels.invite ? allow(rule) : reject(rule, "the sender's power level is too low to invite")
  }
  if (levels.levelForEvent(event.type, event.stateKey !== null) > senderLevel) {
    return reject(numbers.requiredLevel, `the sender's power level is too low for ${event.type}`)
  }
  if (event.stateKey?.startsWith('@') && event.stateKey !== event.sender) {
    return reject(numbers.userStateKey, 'the state key names another user')
  }
  return null
}

function checkByType(event: Event, room: RoomView, numbers: RuleNumbers): AuthResult {
  if (event.type === 'm.room.power_levels') return checkPowerLevels(event, room, numbers.powerLevels)
  if (event.type === 'm.room.redaction' && numbers.redaction !== null) {
    return checkRedaction(event, room, numbers.redaction)
  }
  return allow(numbers.allow)
}

function checkRedaction(event: Event, room: RoomView, rule: string): AuthResult {
  if (room.levels.userLevel(event.sender) >= room.levels.redact) return allow(`${rule}.1`)
  if (event.redacts !== null && domainOf(event.redacts) === domainOf(event.eventId)) return allow(`${rule}.2`)
  return reject(`${rule}.3`, "the sender's power level is too low to redact another server's event")
}
