import type { Event } from '#core/event/event.ts'
import { type AuthResult, allow, reject } from './auth-result.ts'
import { contentField } from './content-field.ts'
import { roomCreator } from './power-levels.ts'
import type { RoomView } from './room-view.ts'
import type { MemberRuleNumbers } from './rule-numbers.ts'
import { checkThirdPartyInvite } from './third-party-invite.ts'

/** The rules for `m.room.member`, but for the signature that `join_authorised_via_users_server` calls for. */
export function checkMember(event: Event, room: RoomView, numbers: MemberRuleNumbers): AuthResult {
  const membership = contentField(event, 'membership')
  const target = event.stateKey
  if (target === null || membership === undefined) {
    return reject(numbers.malformed, 'a membership event needs a state key and a membership')
  }
  switch (membership) {
    case 'join':
      return checkJoin(event, target, room, numbers)
    case 'invite':
      return checkInvite(event, target, room, numbers.invite)
    case 'leave':
      return checkLeave(event, target, room, numbers)
    case 'ban':
      return checkBan(event, target, room, numbers.ban)
    case 'knock':
      if (numbers.knock !== null) return checkKnock(event, target, room, numbers.knock)
  }
  return reject(numbers.unknown, 'unknown membership')
}

function checkJoin(event: Event, target: string, room: RoomView, numbers: MemberRuleNumbers): AuthResult {
  const onlyAfterCreate = event.prevEvents.length === 1 && event.prevEvents[0] === room.create.eventId
  if (onlyAfterCreate && roomCreator(room.create) === target) return allow(`${numbers.join}.1`)
  if (event.sender !== target) return reject(`${numbers.join}.2`, 'only the user can join')
  const membership = room.membership(target)
  if (membership === 'ban') return reject(`${numbers.join}.3`, 'the user is banned')
  const joinRule = room.joinRule()
  const wanted = membership === 'invite' || membership === 'join'
  const { auth } = event.rules
  if (joinRule === 'invite' || (auth.knock && joinRule === 'knock')) {
    if (wanted) return allow(`${numbers.join}.4`)
  } else if (
    numbers.joinRestricted !== null &&
    (joinRule === 'restricted' || (auth.knockRestricted && joinRule === 'knock_restricted'))
  ) {
    return checkRestrictedJoin(event, wanted, room, numbers.joinRestricted)
  } else if (joinRule === 'public') return allow(numbers.joinPublic)
  return reject(numbers.joinOtherwise, 'the join rule does not let the user join')
}

function checkRestrictedJoin(event: Event, wanted: boolean, room: RoomView, rule: string): AuthResult {
  if (wanted) return allow(`${rule}.1`)
  const via = contentField(event, 'join_authorised_via_users_server')
  const vouched =
    typeof via === 'string' && room.membership(via) === 'join' && room.levels.userLevel(via) >= room.levels.invite
  if (!vouched) return reject(`${rule}.2`, 'no member who may invite vouches for the join')
  return allow(`${rule}.3`)
}

function checkInvite(event: Event, target: string, room: RoomView, rule: string): AuthResult {
  const thirdPartyInvite = contentField(event, 'third_party_invite')
  if (thirdPartyInvite !== undefined) return checkThirdPartyInvite(event, thirdPartyInvite, room, `${rule}.1`)
  if (room.membership(event.sender) !== 'join') return reject(`${rule}.2`, 'the sender is not in the room')
  const membership = room.membership(target)
  if (membership === 'join' || membership === 'ban') {
    return reject(`${rule}.3`, `the invited user's membership is ${membership}`)
  }
  if (room.levels.userLevel(event.sender) >= room.levels.invite) return allow(`${rule}.4`)
  return reject(`${rule}.5`, "the sender's power level is too low to invite")
}

function checkLeave(event: Event, target: string, room: RoomView, numbers: MemberRuleNumbers): AuthResult {
  const rule = numbers.leave
  const membership = room.membership(target)
  if (event.sender === target) {
    const mayLeave =
      membership === 'invite' || membership === 'join' || (numbers.knock !== null && membership === 'knock')
    return mayLeave ? allow(`${rule}.1`) : reject(`${rule}.1`, 'the user is not in the room')
  }
  if (room.membership(event.sender) !== 'join') return reject(`${rule}.2`, 'the sender is not in the room')
  const { levels } = room
  const senderLevel = levels.userLevel(event.sender)
  if (membership === 'ban' && senderLevel < levels.ban) {
    return reject(`${rule}.3`, "the sender's power level is too low to lift a ban")
  }
  if (senderLevel >= levels.kick && levels.userLevel(target) < senderLevel) return allow(`${rule}.4`)
  return reject(`${rule}.5`, "the sender's power level is too low to remove the user")
}

function checkBan(event: Event, target: string, room: RoomView, rule: string): AuthResult {
  if (room.membership(event.sender) !== 'join') return reject(`${rule}.1`, 'the sender is not in the room')
  const senderLevel = room.levels.userLevel(event.sender)
  if (senderLevel >= room.levels.ban && room.levels.userLevel(target) < senderLevel) return allow(`${rule}.2`)
  return reject(`${rule}.3`, "the sender's power level is too low to ban the user")
}

function checkKnock(event: Event, target: string, room: RoomView, rule: string): AuthResult {
  const joinRule = room.joinRule()
  if (joinRule !== 'knock' && !(event.rules.auth.knockRestricted && joinRule === 'knock_restricted')) {
    return reject(`${rule}.1`, 'the join rule does not allow knocking')
  }
  if (event.sender !== target) return reject(`${rule}.2`, 'only the user can knock')
  const membership = room.membership(target)
  if (membership !== 'ban' && membership !== 'invite' && membership !== 'join') return allow(`${rule}.3`)
  return reject(`${rule}.4`, `the user's membership is ${membership}`)
}
