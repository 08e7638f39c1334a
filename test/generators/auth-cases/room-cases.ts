import { ALICE, BOB, CAROL, DAVE, EVE, TestRoom } from '#test/generators/test-room.ts'
import type { RuleCase } from './rule-case.ts'

/** Eve of another server joins a room that may be closed to other servers. */
function federated(room: TestRoom, federate: boolean) {
  const closed = new TestRoom(room.rules.version, { 'm.federate': federate })
  return closed.decide({ type: 'm.room.member', stateKey: EVE, sender: EVE, content: { membership: 'join' } })
}

const aliases = (room: TestRoom, stateKey: string | null, sender = DAVE) =>
  room.decide({ type: 'm.room.aliases', stateKey, sender, content: { aliases: [] } })

/** Of two messages, one on each server, Carol of the first redacts one. */
const redact = (room: TestRoom, redacts: string, sender = CAROL) =>
  room.decide({ type: 'm.room.redaction', sender, redacts })

const state = (room: TestRoom, type: string, sender: string, stateKey = '') =>
  room.decide({ type, stateKey, sender, content: {} })

/** The rules for what isn't a membership and no power levels. */
export const ROOM_CASES: readonly RuleCase[] = [
  {
    rule: '1-11:3 12:4',
    kind: 'refuses',
    accept: (room) => federated(room, true),
    refuse: (room) => federated(room, false),
  },
  {
    rule: '1-5:4.1',
    kind: 'refuses',
    accept: (room) => aliases(room, 'x.example'),
    refuse: (room) => aliases(room, null),
  },
  {
    rule: '1-5:4.2',
    kind: 'refuses',
    accept: (room) => aliases(room, 'x.example'),
    refuse: (room) => aliases(room, 'y.example'),
  },
  {
    rule: '1-5:4.3',
    kind: 'allows',
    // Dave isn't in the room: aliases are the server's.
    accept: (room) => aliases(room, 'x.example', DAVE),
    refuse: (room) => aliases(room, 'x.example', EVE),
  },
  {
    // From version 6 they are like any state.
    rule: '6-11:5 12:6',
    kind: 'refuses',
    accept: (room) => aliases(room, 'x.example', BOB),
    refuse: (room) => aliases(room, 'x.example', DAVE),
  },
  {
    rule: '1-5:6 6-11:5 12:6',
    kind: 'refuses',
    accept: (room) => room.decide({ sender: CAROL }),
    refuse: (room) => room.decide({ sender: DAVE }),
  },
  {
    rule: '1-5:7.1 6-11:6.1 12:7.1',
    kind: 'both',
    accept: (room) => {
      room.powerLevels({ invite: 50, state_default: 100 })
      return state(room, 'm.room.third_party_invite', BOB, 'token')
    },
    refuse: (room) => {
      room.powerLevels({ invite: 51, state_default: 0 })
      return state(room, 'm.room.third_party_invite', BOB, 'token')
    },
  },
  {
    rule: '1-5:8 6-11:7 12:8',
    kind: 'refuses',
    accept: (room) => state(room, 'm.room.topic', BOB),
    refuse: (room) => state(room, 'm.room.topic', CAROL),
  },
  {
    rule: '1-5:8 6-11:7 12:8',
    kind: 'refuses',
    accept: (room) => {
      room.powerLevels({ events: { 'm.room.topic': 0, 'm.room.message': 0 }, events_default: 50 })
      return room.decide({ sender: CAROL })
    },
    refuse: (room) => {
      room.powerLevels({ events: { 'm.room.message': 1 } })
      return room.decide({ sender: CAROL })
    },
  },
  {
    // S9: without power levels anyone may talk, but only the creator may set state.
    rule: '1-5:8 6-11:7 12:8',
    kind: 'refuses',
    accept: (room) => {
      room.drop('m.room.power_levels')
      return state(room, 'm.room.topic', ALICE)
    },
    refuse: (room) => {
      room.drop('m.room.power_levels')
      return state(room, 'm.room.topic', BOB)
    },
  },
  {
    rule: '1-5:9 6-11:8 12:9',
    kind: 'refuses',
    accept: (room) => state(room, 'org.example.own', BOB, BOB),
    refuse: (room) => state(room, 'org.example.own', ALICE, BOB),
  },
  {
    rule: '1-2:11.1',
    kind: 'allows',
    accept: (room) => redact(room, '$message:y.example', BOB),
    refuse: (room) => redact(room, '$message:y.example', CAROL),
  },
  {
    rule: '1-2:11.2',
    kind: 'allows',
    accept: (room) => redact(room, '$message:x.example'),
    refuse: (room) => redact(room, '$message:y.example'),
  },
  {
    rule: '1-2:11.3',
    kind: 'refuses',
    accept: (room) => redact(room, '$message:x.example'),
    refuse: (room) => redact(room, '$message:y.example'),
  },
  {
    rule: '1-2:12 3-5:11 6-11:10 12:11',
    kind: 'allows',
    accept: (room) => room.decide({ sender: CAROL }),
    refuse: (room) => {
      room.powerLevels({ events_default: 1 })
      return room.decide({ sender: CAROL })
    },
  },
  {
    // From version 3 the redact level is no matter of these rules.
    rule: '3-5:11 6-11:10 12:11',
    kind: 'allows',
    accept: (room) => redact(room, '$message'),
    refuse: (room) => {
      room.powerLevels({ events: { 'm.room.redaction': 1 } })
      return redact(room, '$message')
    },
  },
]
