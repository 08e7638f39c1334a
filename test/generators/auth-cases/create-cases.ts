import { ALICE, BOB, CAROL, EVE, type EventDraft, type TestRoom } from '#test/generators/test-room.ts'
import { AUTH_EVENTS, CREATE, type RuleCase, under } from './rule-case.ts'

const create = (room: TestRoom, more: Record<string, unknown>, draft: EventDraft = {}) =>
  room.judge({
    type: 'm.room.create',
    stateKey: '',
    content: { ...(room.rules.auth.createNamesCreator ? { creator: ALICE } : {}), ...more },
    ...draft,
  })

/** The create event, and what every event cites. */
export const CREATE_CASES: readonly RuleCase[] = [
  {
    rule: under(CREATE, '1'),
    kind: 'refuses',
    accept: (room) => create(room, {}),
    refuse: (room) => create(room, {}, { prevEvents: ['$other'] }),
  },
  {
    rule: '1-11:1.2',
    kind: 'refuses',
    accept: (room) => create(room, {}, { roomId: '!another:x.example' }),
    refuse: (room) => create(room, {}, { roomId: '!another:y.example' }),
  },
  {
    rule: '12:1.2',
    kind: 'refuses',
    accept: (room) => create(room, {}, { json: { type: 'm.room.create' } }),
    refuse: (room) => create(room, {}, { json: { type: 'm.room.create', room_id: '!create' } }),
  },
  {
    rule: under(CREATE, '3'),
    kind: 'refuses',
    accept: (room) => create(room, { room_version: room.rules.version }),
    refuse: (room) => create(room, { room_version: 'unheard-of' }),
  },
  {
    rule: '1-10:1.4',
    kind: 'refuses',
    accept: (room) => create(room, { creator: BOB }),
    refuse: (room) => room.judge({ type: 'm.room.create', stateKey: '', content: {} }),
  },
  {
    rule: '12:1.4',
    kind: 'refuses',
    accept: (room) => create(room, { additional_creators: [BOB, EVE] }),
    refuse: (room) => create(room, { additional_creators: [BOB, 'eve'] }),
  },
  {
    rule: '1-10:1.5 11:1.4 12:1.5',
    kind: 'allows',
    accept: (room) => create(room, {}),
    refuse: (room) => create(room, { room_version: 1 }),
  },
  {
    rule: '12:2',
    kind: 'refuses',
    accept: (room) => room.judge({}),
    refuse: (room) => room.judge({}, { isRejected: (eventId) => eventId === '$create' }),
  },
  {
    rule: under(AUTH_EVENTS, '1'),
    kind: 'refuses',
    accept: (room) => room.judge({}),
    refuse: (room) => {
      const selected = [...room.event({}).authEvents]
      const twin = room.event({ type: 'm.room.power_levels', stateKey: '' })
      return room.judge({ authEvents: [...selected, twin] })
    },
  },
  {
    rule: under(AUTH_EVENTS, '2'),
    kind: 'refuses',
    accept: (room) => room.judge({}),
    refuse: (room) => {
      const selected = [...room.event({}).authEvents]
      const another = room.rules.roomIdIsCreateHash ? room.create : (room.lookup('m.room.member', CAROL) ?? '')
      return room.judge({ authEvents: [...selected, another] })
    },
  },
  {
    rule: under(AUTH_EVENTS, '3'),
    kind: 'refuses',
    accept: (room) => room.judge({}, { isRejected: (eventId) => eventId === '$other' }),
    refuse: (room) => {
      const levels = room.lookup('m.room.power_levels', '')
      return room.judge({}, { isRejected: (eventId) => eventId === levels?.eventId })
    },
  },
  {
    rule: '1-11:2.4',
    kind: 'refuses',
    accept: (room) => room.judge({ authEvents: [room.create] }),
    refuse: (room) => room.judge({ authEvents: [room.lookup('m.room.member', ALICE) ?? ''] }),
  },
  {
    // S10
    rule: '1-11:2.5 12:3.4',
    kind: 'refuses',
    accept: (room) => room.judge({}),
    refuse: (room) => {
      const levels = room.put({ type: 'm.room.power_levels', roomId: '!elsewhere:x.example' })
      return room.judge({ authEvents: [...(room.rules.roomIdIsCreateHash ? [] : [room.create]), levels] })
    },
  },
]
