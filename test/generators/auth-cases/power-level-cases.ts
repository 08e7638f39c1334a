import type { JsonObject } from '#core/json/value.ts'
import { ALICE, BOB, CAROL, DAVE, type TestRoom } from '#test/generators/test-room.ts'
import { type RuleCase, under } from './rule-case.ts'

/** Bob, who has 50, changes the power levels from one content to another. Both name Alice and Bob unless they say. */
function change(room: TestRoom, before: JsonObject, after: unknown, sender = BOB) {
  room.powerLevels(before)
  const content = isPlain(after) ? { users: room.users({}), ...after } : after
  return room.decide({ type: 'm.room.power_levels', stateKey: '', sender, content })
}

function isPlain(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null
}

const USERS = '1-5:10.1 6-9:9.1 10-11:9.3 12:10.3'
const FIRST = '1-5:10.2 6-9:9.2 10-11:9.4 12:10.5'
const PROPERTIES = '1-5:10.3 6-9:9.3 10-11:9.5 12:10.6'
const ENTRIES_REMOVED = '1-5:10.4.1 6-9:9.4.1 10-11:9.6.1 12:10.7.1'
const ENTRIES_ADDED = '1-5:10.5.1 6-9:9.5.1 10-11:9.7.1 12:10.8.1'
const USERS_REMOVED = '1-5:10.6.1 6-9:9.6.1 10-11:9.8.1 12:10.9.1'
const USERS_ADDED = '1-5:10.7.1 6-9:9.7.1 10-11:9.9.1 12:10.10.1'
const ALLOW = '1-5:10.8 6-9:9.8 10-11:9.10 12:10.11'

const SHAPE_CASES: readonly RuleCase[] = [
  {
    rule: '10-11:9.1 12:10.1',
    kind: 'refuses',
    accept: (room) => change(room, {}, { ban: 40 }),
    refuse: (room) => change(room, {}, { ban: '40' }),
  },
  {
    rule: '10-11:9.2 12:10.2',
    kind: 'refuses',
    accept: (room) => change(room, {}, { events: { 'm.room.name': 10 }, notifications: { room: 10 } }),
    refuse: (room) => change(room, {}, { events: { 'm.room.name': '10' } }),
  },
  {
    rule: '10-11:9.2 12:10.2',
    kind: 'refuses',
    accept: (room) => change(room, {}, { notifications: {} }),
    refuse: (room) => change(room, {}, { notifications: null }),
  },
  {
    rule: USERS,
    kind: 'refuses',
    accept: (room) => change(room, {}, { users: room.users({ [CAROL]: 10 }) }),
    refuse: (room) => change(room, {}, { users: room.users({ carol: 10 }) }),
  },
  {
    rule: USERS,
    kind: 'refuses',
    accept: (room) => change(room, {}, { users: room.users({ [CAROL]: 10 }) }),
    refuse: (room) => change(room, {}, { users: [CAROL] }),
  },
  {
    // Before version 10 a level may be a string that is an integer.
    rule: '1-5:10.1 6-9:9.1',
    kind: 'refuses',
    accept: (room) => change(room, {}, { users: room.users({ [CAROL]: ' +010 ' }) }),
    refuse: (room) => change(room, {}, { users: room.users({ [CAROL]: '1.5' }) }),
  },
  {
    rule: '10-11:9.3 12:10.3',
    kind: 'refuses',
    accept: (room) => change(room, {}, { users: room.users({ [CAROL]: 10 }) }),
    refuse: (room) => change(room, {}, { users: room.users({ [CAROL]: '10' }) }),
  },
  {
    // S13
    rule: '12:10.4',
    kind: 'refuses',
    accept: (room) => change(room, {}, { users: { [BOB]: 50, [DAVE]: 1 } }),
    refuse: (room) => change(room, {}, { users: { [BOB]: 50, [ALICE]: 1 } }),
  },
  {
    rule: FIRST,
    kind: 'allows',
    accept: (room) => {
      room.drop('m.room.power_levels')
      const content = { users: room.users({ [CAROL]: 1000 }), ban: 1000 }
      return room.decide({ type: 'm.room.power_levels', stateKey: '', sender: ALICE, content })
    },
    refuse: (room) => change(room, {}, { users: room.users({ [CAROL]: 1000 }), ban: 1000 }),
  },
]

const CHANGE_CASES: readonly RuleCase[] = [
  {
    rule: under(PROPERTIES, '1'),
    kind: 'refuses',
    accept: (room) => change(room, { redact: 50 }, { redact: 10 }),
    refuse: (room) => change(room, { redact: 51 }, { redact: 10 }),
  },
  {
    rule: under(PROPERTIES, '2'),
    kind: 'refuses',
    accept: (room) => change(room, {}, { invite: 50 }),
    refuse: (room) => change(room, {}, { invite: 51 }),
  },
  {
    rule: ENTRIES_REMOVED,
    kind: 'refuses',
    accept: (room) => change(room, { events: { 'm.room.name': 50 } }, {}),
    refuse: (room) => change(room, { events: { 'm.room.name': 51 } }, {}),
  },
  {
    rule: ENTRIES_ADDED,
    kind: 'refuses',
    accept: (room) => change(room, {}, { events: { 'm.room.name': 50 } }),
    refuse: (room) => change(room, {}, { events: { 'm.room.name': 51 } }),
  },
  {
    rule: '6-9:9.4.1 10-11:9.6.1 12:10.7.1',
    kind: 'refuses',
    accept: (room) => change(room, { notifications: { room: 51 } }, { notifications: { room: 51 } }),
    refuse: (room) => change(room, { notifications: { room: 51 } }, { notifications: { room: 10 } }),
  },
  {
    rule: '6-9:9.5.1 10-11:9.7.1 12:10.8.1',
    kind: 'refuses',
    accept: (room) => change(room, {}, { notifications: { room: 50 } }),
    refuse: (room) => change(room, {}, { notifications: { room: 51 } }),
  },
  {
    // Before version 6 anyone who may set power levels may set those of notifications.
    rule: '1-5:10.8',
    kind: 'allows',
    accept: (room) => change(room, { notifications: { room: 60 } }, { notifications: { room: 99 } }),
    refuse: (room) => change(room, { events: { room: 60 } }, { events: { room: 99 } }),
  },
  {
    rule: USERS_REMOVED,
    kind: 'refuses',
    accept: (room) => change(room, { users: room.users({ [CAROL]: 49 }) }, {}),
    refuse: (room) => change(room, { users: room.users({ [CAROL]: 50 }) }, {}),
  },
  {
    rule: USERS_REMOVED,
    kind: 'refuses',
    // "Other than the sender's own entry"
    accept: (room) => change(room, {}, { users: room.users({ [BOB]: 10 }) }),
    refuse: (room) => change(room, { users: room.users({ [CAROL]: 50 }) }, { users: room.users({ [CAROL]: 10 }) }),
  },
  {
    rule: USERS_ADDED,
    kind: 'refuses',
    accept: (room) => change(room, {}, { users: room.users({ [CAROL]: 50 }) }),
    refuse: (room) => change(room, {}, { users: room.users({ [CAROL]: 51 }) }),
  },
  {
    rule: ALLOW,
    kind: 'allows',
    accept: (room) => change(room, { ban: 50, events: { 'm.room.name': 99 } }, { events: { 'm.room.name': 99 } }),
    refuse: (room) => change(room, { ban: 99 }, {}),
  },
  {
    // The same level in other words is no change.
    rule: '1-5:10.8 6-9:9.8',
    kind: 'allows',
    accept: (room) => change(room, { ban: '99' }, { ban: 99 }),
    refuse: (room) => change(room, { ban: '99' }, { ban: 98 }),
  },
]

export const POWER_LEVEL_CASES: readonly RuleCase[] = [...SHAPE_CASES, ...CHANGE_CASES]
