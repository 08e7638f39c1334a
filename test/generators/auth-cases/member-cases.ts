import { ALICE, BOB, CAROL, DAVE, EVE, type TestRoom } from '#test/generators/test-room.ts'
import { BAN, JOIN, KNOCK, LEAVE, MEMBER, type RuleCase, under } from './rule-case.ts'

/** A membership event of `sender` about `target`. */
const member = (room: TestRoom, sender: string, target: string | null, membership: string, more: object = {}) =>
  room.decide({ type: 'm.room.member', stateKey: target, sender, content: { membership, ...more } })

const join = (room: TestRoom, userId: string, more: object = {}) => member(room, userId, userId, 'join', more)

/** Dave joins after another event did, and with this join rule. */
function joinUnder(room: TestRoom, rule: string, membership?: string, more: object = {}) {
  room.joinRule(rule)
  if (membership !== undefined) room.member(DAVE, membership, BOB)
  return join(room, DAVE, more)
}

const VIA_BOB = { join_authorised_via_users_server: BOB }

const JOIN_CASES: readonly RuleCase[] = [
  {
    rule: under(JOIN, '1'),
    kind: 'allows',
    accept: (room) => {
      room.joinRule('invite')
      room.drop('m.room.member', ALICE)
      return room.decide({
        type: 'm.room.member',
        stateKey: ALICE,
        content: { membership: 'join' },
        prevEvents: ['$create'],
      })
    },
    refuse: (room) => {
      room.joinRule('invite')
      return room.decide({
        type: 'm.room.member',
        stateKey: DAVE,
        sender: DAVE,
        content: { membership: 'join' },
        prevEvents: ['$create'],
      })
    },
  },
  {
    rule: under(JOIN, '2'),
    kind: 'refuses',
    accept: (room) => join(room, DAVE),
    refuse: (room) => member(room, ALICE, DAVE, 'join'),
  },
  {
    rule: under(JOIN, '3'),
    kind: 'refuses',
    accept: (room) => joinUnder(room, 'public', 'leave'),
    refuse: (room) => joinUnder(room, 'public', 'ban'),
  },
  {
    rule: under(JOIN, '4'),
    kind: 'allows',
    accept: (room) => joinUnder(room, 'invite', 'invite'),
    refuse: (room) => joinUnder(room, 'invite', 'leave'),
  },
  {
    rule: '7:4.2.4 8-11:4.3.4 12:5.3.4',
    kind: 'allows',
    accept: (room) => joinUnder(room, 'knock', 'invite'),
    refuse: (room) => joinUnder(room, 'knock', 'knock'),
  },
  {
    rule: '8-11:4.3.5.1 12:5.3.5.1',
    kind: 'allows',
    accept: (room) => joinUnder(room, 'restricted', 'invite'),
    refuse: (room) => joinUnder(room, 'restricted', 'leave'),
  },
  {
    rule: '8-11:4.3.5.2 12:5.3.5.2',
    kind: 'refuses',
    accept: (room) => joinUnder(room, 'restricted', undefined, VIA_BOB),
    refuse: (room) => {
      room.powerLevels({ invite: 60 })
      return joinUnder(room, 'restricted', undefined, VIA_BOB)
    },
  },
  {
    rule: '8-11:4.3.5.2 12:5.3.5.2',
    kind: 'refuses',
    accept: (room) => joinUnder(room, 'restricted', undefined, { join_authorised_via_users_server: CAROL }),
    refuse: (room) => {
      room.member(BOB, 'leave')
      return joinUnder(room, 'restricted', undefined, VIA_BOB)
    },
  },
  {
    rule: '8-11:4.3.5.3 12:5.3.5.3',
    kind: 'allows',
    accept: (room) => joinUnder(room, 'restricted', 'leave', VIA_BOB),
    refuse: (room) => joinUnder(room, 'restricted', 'ban', VIA_BOB),
  },
  {
    rule: '10-11:4.3.5.3 12:5.3.5.3',
    kind: 'allows',
    accept: (room) => joinUnder(room, 'knock_restricted', 'leave', VIA_BOB),
    refuse: (room) => joinUnder(room, 'knock_restricted', 'leave', { join_authorised_via_users_server: EVE }),
  },
  {
    rule: '1-5:5.2.5 6-7:4.2.5 8-11:4.3.6 12:5.3.6',
    kind: 'allows',
    accept: (room) => joinUnder(room, 'public'),
    refuse: (room) => joinUnder(room, 'private'),
  },
  {
    rule: '1-5:5.2.6 6-7:4.2.6 8-11:4.3.7 12:5.3.7',
    kind: 'refuses',
    accept: (room) => joinUnder(room, 'public', 'leave'),
    refuse: (room) => joinUnder(room, 'invite', 'leave'),
  },
  {
    // Join rules that came with later versions mean nothing before.
    rule: '1-5:5.2.6 6:4.2.6',
    kind: 'refuses',
    accept: (room) => joinUnder(room, 'invite', 'invite'),
    refuse: (room) => joinUnder(room, 'knock', 'invite'),
  },
  {
    rule: '1-5:5.2.6 6-7:4.2.6',
    kind: 'refuses',
    accept: (room) => joinUnder(room, 'invite', 'invite'),
    refuse: (room) => joinUnder(room, 'restricted', 'invite', VIA_BOB),
  },
  {
    rule: '8-9:4.3.7',
    kind: 'refuses',
    accept: (room) => joinUnder(room, 'restricted', 'invite'),
    refuse: (room) => joinUnder(room, 'knock_restricted', 'invite', VIA_BOB),
  },
]

const LEAVE_CASES: readonly RuleCase[] = [
  {
    rule: under(LEAVE, '1'),
    kind: 'both',
    accept: (room) => member(room, CAROL, CAROL, 'leave'),
    refuse: (room) => member(room, DAVE, DAVE, 'leave'),
  },
  {
    rule: '7:4.4.1 8-11:4.5.1 12:5.5.1',
    kind: 'both',
    accept: (room) => {
      room.member(DAVE, 'knock')
      return member(room, DAVE, DAVE, 'leave')
    },
    refuse: (room) => {
      room.member(DAVE, 'ban', ALICE)
      return member(room, DAVE, DAVE, 'leave')
    },
  },
  {
    rule: under(LEAVE, '2'),
    kind: 'refuses',
    accept: (room) => member(room, BOB, CAROL, 'leave'),
    refuse: (room) => {
      room.member(BOB, 'leave')
      return member(room, BOB, CAROL, 'leave')
    },
  },
  {
    rule: under(LEAVE, '3'),
    kind: 'refuses',
    accept: (room) => {
      room.member(DAVE, 'ban', ALICE)
      return member(room, BOB, DAVE, 'leave')
    },
    refuse: (room) => {
      room.powerLevels({ ban: 51 })
      room.member(DAVE, 'ban', ALICE)
      return member(room, BOB, DAVE, 'leave')
    },
  },
  {
    rule: under(LEAVE, '4'),
    kind: 'allows',
    accept: (room) => member(room, BOB, CAROL, 'leave'),
    refuse: (room) => {
      room.powerLevels({ users: room.users({ [CAROL]: 50 }) })
      return member(room, BOB, CAROL, 'leave')
    },
  },
  {
    rule: under(LEAVE, '5'),
    kind: 'refuses',
    accept: (room) => member(room, ALICE, BOB, 'leave'),
    refuse: (room) => {
      room.powerLevels({ kick: 51 })
      return member(room, BOB, CAROL, 'leave')
    },
  },
]

const BAN_CASES: readonly RuleCase[] = [
  {
    rule: under(BAN, '1'),
    kind: 'refuses',
    accept: (room) => member(room, BOB, EVE, 'ban'),
    refuse: (room) => {
      room.member(BOB, 'leave')
      return member(room, BOB, EVE, 'ban')
    },
  },
  {
    rule: under(BAN, '2'),
    kind: 'allows',
    accept: (room) => member(room, BOB, CAROL, 'ban'),
    refuse: (room) => member(room, BOB, ALICE, 'ban'),
  },
  {
    rule: under(BAN, '3'),
    kind: 'refuses',
    accept: (room) => member(room, ALICE, BOB, 'ban'),
    refuse: (room) => {
      room.powerLevels({ ban: 51 })
      return member(room, BOB, CAROL, 'ban')
    },
  },
]

function knockUnder(room: TestRoom, rule: string, membership?: string, sender = DAVE) {
  room.joinRule(rule)
  if (membership !== undefined) room.member(DAVE, membership, BOB)
  return member(room, sender, DAVE, 'knock')
}

const KNOCK_CASES: readonly RuleCase[] = [
  {
    rule: under(KNOCK, '1'),
    kind: 'refuses',
    accept: (room) => knockUnder(room, 'knock'),
    refuse: (room) => knockUnder(room, 'invite'),
  },
  {
    rule: '7:4.6.1 8-9:4.7.1',
    kind: 'refuses',
    accept: (room) => knockUnder(room, 'knock'),
    refuse: (room) => knockUnder(room, 'knock_restricted'),
  },
  {
    rule: under(KNOCK, '2'),
    kind: 'refuses',
    accept: (room) => knockUnder(room, 'knock'),
    refuse: (room) => knockUnder(room, 'knock', undefined, BOB),
  },
  {
    rule: under(KNOCK, '3'),
    kind: 'allows',
    accept: (room) => knockUnder(room, 'knock', 'leave'),
    refuse: (room) => knockUnder(room, 'knock', 'invite'),
  },
  {
    rule: '10-11:4.7.3 12:5.7.3',
    kind: 'allows',
    accept: (room) => knockUnder(room, 'knock_restricted', 'leave'),
    refuse: (room) => knockUnder(room, 'restricted', 'leave'),
  },
  {
    rule: under(KNOCK, '4'),
    kind: 'refuses',
    accept: (room) => knockUnder(room, 'knock', 'knock'),
    refuse: (room) => knockUnder(room, 'knock', 'ban'),
  },
]

const OTHER_CASES: readonly RuleCase[] = [
  {
    rule: under(MEMBER, '1'),
    kind: 'refuses',
    accept: (room) => member(room, CAROL, CAROL, 'join'),
    refuse: (room) => member(room, CAROL, null, 'join'),
  },
  {
    rule: under(MEMBER, '1'),
    kind: 'refuses',
    accept: (room) => member(room, CAROL, CAROL, 'join'),
    refuse: (room) => room.decide({ type: 'm.room.member', stateKey: CAROL, sender: CAROL, content: {} }),
  },
  {
    rule: '8-11:4.2.1 12:5.2.1',
    kind: 'refuses',
    accept: (room) => judgeVia(room, BOB, 'x.example'),
    refuse: (room) => judgeVia(room, BOB, 'y.example'),
  },
  {
    rule: '1-5:5.6 6:4.6 7:4.7 8-11:4.8 12:5.8',
    kind: 'refuses',
    accept: (room) => member(room, CAROL, CAROL, 'leave'),
    refuse: (room) => member(room, CAROL, CAROL, 'guest'),
  },
  {
    // Nobody can knock before version 7.
    rule: '1-5:5.6 6:4.6',
    kind: 'refuses',
    accept: (room) => member(room, CAROL, CAROL, 'leave'),
    refuse: (room) => knockUnder(room, 'knock'),
  },
]

/** Dave joins, authorised by a user, in an event that one server signed. */
function judgeVia(room: TestRoom, via: string, signer: string) {
  const content = { membership: 'join', join_authorised_via_users_server: via }
  return room.judge(
    { type: 'm.room.member', stateKey: DAVE, sender: DAVE, content },
    { isSignedBy: (server) => server === signer },
  )
}

export const MEMBER_CASES: readonly RuleCase[] = [
  ...JOIN_CASES,
  ...LEAVE_CASES,
  ...BAN_CASES,
  ...KNOCK_CASES,
  ...OTHER_CASES,
]
