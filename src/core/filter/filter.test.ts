import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { FIELD_DEPTH_MAX, selectFields } from '#core/filter/event-fields.ts'
import {
  EVENT_LIMIT_MAX,
  type FilteredEvent,
  parseEventFilter,
  parseRoomEventFilter,
  passesNothing,
  roomEventPasses,
  roomPasses,
} from '#core/filter/event-filter.ts'
import { FILTER_LENGTH_MAX, parseFilter } from '#core/filter/filter.ts'
import { TYPE_PATTERN_LENGTH_MAX, WILDCARDS_MAX } from '#core/filter/type-patterns.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'

const ROOM = '!room:hs'
const MESSAGE: FilteredEvent = { type: 'm.room.message', sender: '@alice:hs', content: { body: 'hi' } }
const IMAGE: FilteredEvent = { type: 'm.room.message', sender: '@bob:hs', content: { url: 'mxc://hs/a' } }
const TOPIC: FilteredEvent = { type: 'm.room.topic', sender: '@bob:hs', content: {} }
const TYPING: FilteredEvent = { type: 'm.typing', content: {} }
const EVENTS = { message: MESSAGE, image: IMAGE, topic: TOPIC, typing: TYPING }

/** A filter of room events, and which of the events above pass it. */
const PASSES: readonly [filter: JsonObject, passing: string][] = [
  [{}, 'message image topic typing'],
  [{ types: [] }, ''],
  [{ types: ['m.room.message'] }, 'message image'],
  [{ types: ['m.room.*'] }, 'message image topic'],
  [{ types: ['*'] }, 'message image topic typing'],
  [{ types: ['*.typing', 'm.room.topic'] }, 'topic typing'],
  [{ types: ['m.*.*ic'] }, 'topic'],
  [{ types: ['m.room.messag?'] }, ''],
  [{ types: ['M.ROOM.MESSAGE'] }, ''],
  [{ types: ['m.typing*'] }, 'typing'],
  [{ types: ['m.typi*ping'] }, ''],
  [{ types: ['constructor', '__proto__'] }, ''],
  [{ not_types: [] }, 'message image topic typing'],
  [{ not_types: ['m.room.message'] }, 'topic typing'],
  [{ not_types: ['*'] }, ''],
  [{ types: ['m.room.*'], not_types: ['*topic'] }, 'message image'],
  [{ types: ['m.room.topic'], not_types: ['m.room.topic'] }, ''],
  [{ senders: [] }, ''],
  [{ senders: ['@alice:hs'] }, 'message'],
  [{ not_senders: ['@alice:hs'] }, 'image topic typing'],
  [{ senders: ['@alice:hs', '@bob:hs'], not_senders: ['@alice:hs'] }, 'image topic'],
  [{ rooms: [] }, ''],
  [{ rooms: [ROOM] }, 'message image topic typing'],
  [{ rooms: ['!other:hs'] }, ''],
  [{ not_rooms: ['!other:hs'] }, 'message image topic typing'],
  [{ rooms: [ROOM], not_rooms: [ROOM] }, ''],
  [{ contains_url: true }, 'image'],
  [{ contains_url: false }, 'message topic typing'],
  [{ types: ['m.room.message'], contains_url: false, senders: ['@alice:hs'] }, 'message'],
  [{ unknown_member: 7, related_by_rel_types: ['m.thread'] }, 'message image topic typing'],
]

describe('roomEventPasses', () => {
  for (const [filter, passing] of PASSES) {
    it(`passes ${passing || 'nothing'} for ${JSON.stringify(filter)}`, () => {
      const parsed = parseRoomEventFilter(filter)
      const passed = Object.entries(EVENTS).filter(([, event]) => roomEventPasses(parsed, ROOM, event))
      assert.equal(passed.map(([name]) => name).join(' '), passing)
      if (passesNothing(parsed)) assert.equal(passing, '')
    })
  }

  it('looks for an own `url`', () => {
    const filter = parseRoomEventFilter({ contains_url: true })
    assert.ok(!roomEventPasses(filter, ROOM, { ...MESSAGE, content: Object.create({ url: 'mxc://hs/a' }) }))
    assert.ok(roomEventPasses(filter, ROOM, { ...MESSAGE, content: { url: null } }))
  })

  it('matches stars as a pattern would, whatever the strings', () => {
    const unit = fc.constantFrom('a', 'b', '.', '*', '?')
    const text = fc.string({ unit, maxLength: 12 })
    fc.assert(
      fc.property(text, text, (pattern, type) => {
        const source = pattern.replace(/[.?]/g, (char) => `\\${char}`).replaceAll('*', '.*')
        const wanted = new RegExp(`^${source}$`, 's').test(type)
        const filter = parseRoomEventFilter({ types: [pattern] })
        assert.equal(roomEventPasses(filter, ROOM, { ...MESSAGE, type }), wanted)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('parseFilter', () => {
  it('gives the defaults of an empty filter', () => {
    const filter = parseFilter({})
    assert.equal(filter.eventFields, null)
    assert.equal(filter.eventFormat, 'client')
    assert.equal(filter.room.includeLeave, false)
    const { lazyLoadMembers, includeRedundantMembers, unreadThreadNotifications, limit } = filter.room.timeline
    assert.deepEqual(
      { lazyLoadMembers, includeRedundantMembers, unreadThreadNotifications, limit },
      { lazyLoadMembers: false, includeRedundantMembers: false, unreadThreadNotifications: false, limit: null },
    )
  })

  it('reads each part', () => {
    const filter = parseFilter({
      event_format: 'federation',
      presence: { types: [] },
      account_data: { limit: 5 },
      room: {
        rooms: ['!a:hs', '!b:hs'],
        not_rooms: ['!b:hs'],
        include_leave: true,
        state: { lazy_load_members: true },
        timeline: { limit: 20, unread_thread_notifications: true },
        ephemeral: { not_types: ['*'] },
        account_data: { include_redundant_members: true, related_by_senders: ['@a:hs'], related_by_rel_types: ['r'] },
      },
    })
    assert.equal(filter.eventFormat, 'federation')
    assert.ok(passesNothing(filter.presence))
    assert.equal(filter.accountData.limit, 5)
    assert.ok(filter.room.includeLeave)
    assert.ok(filter.room.state.lazyLoadMembers)
    assert.equal(filter.room.timeline.limit, 20)
    assert.ok(filter.room.timeline.unreadThreadNotifications)
    assert.ok(passesNothing(filter.room.ephemeral))
    assert.ok(filter.room.accountData.includeRedundantMembers)
    assert.deepEqual(filter.room.accountData.relatedByRelTypes, ['r'])
    assert.deepEqual(filter.room.accountData.relatedBySenders, ['@a:hs'])
    assert.deepEqual(
      ['!a:hs', '!b:hs', '!c:hs'].map((roomId) => roomPasses(filter.room, roomId)),
      [true, false, false],
    )
  })

  it('keeps limits between 0 and the maximum', () => {
    const limits = [0, 1, EVENT_LIMIT_MAX, EVENT_LIMIT_MAX + 1].map((limit) => parseEventFilter({ limit }).limit)
    assert.deepEqual(limits, [0, 1, EVENT_LIMIT_MAX, EVENT_LIMIT_MAX])
  })

  const eventFilters = (member: JsonObject): JsonObject[] => [
    { presence: member },
    { account_data: member },
    ...roomEventFilters(member),
  ]
  const roomEventFilters = (member: JsonObject): JsonObject[] =>
    ['state', 'timeline', 'ephemeral', 'account_data'].map((part) => ({ room: { [part]: member } }))
  const odd: JsonValue[] = [null, 7, 'x', true, {}, [7], [null], [{}]]
  const notList = (key: string) => odd.map((value) => ({ [key]: value }))
  const notBoolean = (key: string) => odd.filter((value) => value !== true).map((value) => ({ [key]: value }))
  const BAD: readonly JsonValue[] = [
    ...[null, 7, 'x', true, [], JSON.rawJSON('1.0')],
    ...[null, 7, 'x', true, []].flatMap((part) => [{ room: part }, { presence: part }, { room: { timeline: part } }]),
    ...odd.map((value) => ({ event_format: value })),
    ...notList('event_fields'),
    ...['types', 'not_types', 'senders', 'not_senders'].flatMap(notList).flatMap(eventFilters),
    ...['rooms', 'not_rooms', 'related_by_rel_types', 'related_by_senders'].flatMap(notList).flatMap(roomEventFilters),
    ...['rooms', 'not_rooms'].flatMap(notList).map((room) => ({ room })),
    ...['contains_url', 'lazy_load_members', 'include_redundant_members', 'unread_thread_notifications']
      .flatMap(notBoolean)
      .flatMap(roomEventFilters),
    ...notBoolean('include_leave').map((room) => ({ room })),
    ...[null, '5', -1, 1.5, 2 ** 53, true, [], JSON.rawJSON('5.0')].flatMap((limit) => eventFilters({ limit })),
    ...eventFilters({ senders: ['alice'] }),
    ...roomEventFilters({ rooms: ['#alias:hs'] }),
    { room: { rooms: ['#alias:hs'] } },
    {
      event_fields: [
        Array(FIELD_DEPTH_MAX + 1)
          .fill('a')
          .join('.'),
      ],
    },
    { presence: { types: ['x'.repeat(TYPE_PATTERN_LENGTH_MAX + 1)] } },
    { presence: { types: Array.from({ length: WILDCARDS_MAX + 1 }, (_, i) => `${i}*`) } },
  ]
  it(`refuses ${BAD.length} malformed filters`, () => {
    for (const bad of BAD) {
      assert.throws(() => parseFilter(bad), { errcode: 'M_BAD_JSON' }, JSON.stringify(bad))
    }
  })

  it('accepts what is just within the limits', () => {
    parseFilter({ event_fields: [Array(FIELD_DEPTH_MAX).fill('a').join('.')] })
    parseFilter({ presence: { types: ['x'.repeat(TYPE_PATTERN_LENGTH_MAX)] } })
    parseFilter({ presence: { types: Array.from({ length: WILDCARDS_MAX }, (_, i) => `${i}*`) } })
    const empty = JSON.stringify({ x: '' }).length
    parseFilter({ x: 'y'.repeat(FILTER_LENGTH_MAX - empty) })
    assert.throws(() => parseFilter({ x: 'y'.repeat(FILTER_LENGTH_MAX - empty + 1) }), { errcode: 'M_TOO_LARGE' })
  })

  it('throws nothing but MatrixError for any JSON', () => {
    const key = fc.constantFrom('room', 'types', 'timeline', 'event_fields', 'limit', '__proto__', 'constructor')
    const { json } = fc.letrec<{ json: JsonValue }>((tie) => ({
      json: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom<JsonValue>(null, true, 1, 'x', []),
        fc.array(tie('json'), { maxLength: 3 }),
        fc.dictionary(key, tie('json'), { maxKeys: 4 }),
      ),
    }))
    fc.assert(
      fc.property(json, (value) => {
        try {
          parseFilter(value)
        } catch (error) {
          assert.equal((error as Error).name, 'MatrixError')
        }
      }),
    )
  })
})

describe('selectFields', () => {
  const EVENT: JsonObject = JSON.parse(
    '{"type":"t","content":{"body":"b","m.relates_to":{"rel_type":"r"},"__proto__":{"x":1},"a\\\\b":2,"list":[{"x":1}]}}',
  )
  const SELECTIONS: readonly [fields: string[], selected: string][] = [
    [[], '{}'],
    [['type'], '{"type":"t"}'],
    [['type.x', 'absent', 'toString', 'content.constructor'], '{"content":{}}'],
    [['content.body', 'type'], '{"content":{"body":"b"},"type":"t"}'],
    [['content.m\\.relates_to'], '{"content":{"m.relates_to":{"rel_type":"r"}}}'],
    [['content.m\\.relates_to.rel_type'], '{"content":{"m.relates_to":{"rel_type":"r"}}}'],
    [['content.m.relates_to'], '{"content":{}}'],
    [['content.a\\\\b'], '{"content":{"a\\\\b":2}}'],
    [['content.__proto__.x'], '{"content":{"__proto__":{"x":1}}}'],
    [['content.list.x', 'content.list.0'], '{"content":{}}'],
    [['content.list'], '{"content":{"list":[{"x":1}]}}'],
  ]
  for (const [fields, selected] of SELECTIONS) {
    it(`keeps ${selected} for ${JSON.stringify(fields)}`, () => {
      const { eventFields } = parseFilter({ event_fields: fields })
      assert.equal(JSON.stringify(selectFields(EVENT, eventFields)), selected)
    })
  }

  it('keeps a whole value that is also asked for in part, in either order', () => {
    for (const fields of [
      ['content', 'content.body'],
      ['content.body', 'content'],
    ]) {
      const { eventFields } = parseFilter({ event_fields: fields })
      assert.deepEqual(selectFields(EVENT, eventFields), { content: EVENT['content'] })
    }
  })

  it('keeps everything without a selection', () => {
    assert.equal(selectFields(EVENT, parseFilter({}).eventFields), EVENT)
  })
})
