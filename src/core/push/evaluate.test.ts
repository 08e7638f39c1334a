import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { EventId, RoomId, UserId } from '#core/ids.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import type { PushUser } from '#core/push/conditions.ts'
import { compileRules, evaluate, type PushOutcome } from '#core/push/evaluate.ts'
import { PushEvent, type PushRoom, SEARCHED_LENGTH_MAX } from '#core/push/push-event.ts'
import type { RuleKind } from '#core/push/push-rule.ts'
import { NO_CHANGES, type PushRuleChanges, putRule, setRuleActions, setRuleEnabled } from '#core/push/ruleset.ts'

const ME = '@me:hs'
const GROUP: PushRoom = { memberCount: 5, senderLevel: 0, notificationLevel: () => 50 }
const PAIR: PushRoom = { ...GROUP, memberCount: 2 }
const BY_MODERATOR: PushRoom = { ...GROUP, senderLevel: 50 }

const text = (body: string, more: JsonObject = {}): JsonObject => ({
  type: 'm.room.message',
  content: { msgtype: 'm.text', body, ...more },
})
const mentions = (value: JsonValue) => text('hi', { 'm.mentions': value })
const state = (type: string, stateKey: string, content: JsonObject = {}) => ({ type, state_key: stateKey, content })
const member = (userId: string, membership: string) => state('m.room.member', userId, { membership })
const encrypted: JsonObject = { type: 'm.room.encrypted', content: { ciphertext: 'x' } }

/** With the predefined rules alone: event, room, the rule that matches, what it asks for. */
const PREDEFINED: readonly [what: string, event: JsonObject, room: PushRoom, rule: string | null, asks: string][] = [
  ['a message', text('hi'), GROUP, '.m.rule.message', 'notify'],
  ['a message between two', text('hi'), PAIR, '.m.rule.room_one_to_one', 'notify default'],
  ['an encrypted event', encrypted, GROUP, '.m.rule.encrypted', 'notify'],
  ['an encrypted event between two', encrypted, PAIR, '.m.rule.encrypted_room_one_to_one', 'notify default'],
  ['a call', { type: 'm.call.invite', content: {} }, GROUP, '.m.rule.call', 'notify ring'],
  ['the answer to a call', { type: 'm.call.answer', content: {} }, GROUP, null, ''],
  ['a notice', text('hi', { msgtype: 'm.notice' }), PAIR, '.m.rule.suppress_notices', ''],
  ['a NOTICE', text('hi', { msgtype: 'M.NOTICE' }), PAIR, '.m.rule.suppress_notices', ''],
  [
    'a notice that mentions',
    text('hi', { msgtype: 'm.notice', 'm.mentions': { user_ids: [ME] } }),
    GROUP,
    '.m.rule.suppress_notices',
    '',
  ],
  ['an invite for me', member(ME, 'invite'), GROUP, '.m.rule.invite_for_me', 'notify default'],
  ['an invite for another', member('@you:hs', 'invite'), GROUP, '.m.rule.member_event', ''],
  ['an invite for one who is like me', member('@ME:hs', 'invite'), GROUP, '.m.rule.member_event', ''],
  ['my join', member(ME, 'join'), GROUP, '.m.rule.member_event', ''],
  ['a mention', mentions({ user_ids: ['@you:hs', ME] }), GROUP, '.m.rule.is_user_mention', 'notify highlight default'],
  ['a mention of another', mentions({ user_ids: ['@you:hs'] }), GROUP, '.m.rule.message', 'notify'],
  ['a mention in another case', mentions({ user_ids: ['@ME:hs'] }), GROUP, '.m.rule.message', 'notify'],
  ['a mention that is no list', mentions({ user_ids: ME }), GROUP, '.m.rule.message', 'notify'],
  ['my name in the body alone', text('hi me @me:hs'), GROUP, '.m.rule.message', 'notify'],
  ['a room mention', mentions({ room: true }), BY_MODERATOR, '.m.rule.is_room_mention', 'notify highlight'],
  ['a room mention without power', mentions({ room: true }), GROUP, '.m.rule.message', 'notify'],
  ['a room mention that is not true', mentions({ room: 'true' }), BY_MODERATOR, '.m.rule.message', 'notify'],
  ['@room in the body alone', text('@room'), BY_MODERATOR, '.m.rule.message', 'notify'],
  ['a tombstone', state('m.room.tombstone', ''), GROUP, '.m.rule.tombstone', 'notify highlight'],
  ['a tombstone with a state key', state('m.room.tombstone', 'x'), GROUP, null, ''],
  ['a tombstone that is no state', { type: 'm.room.tombstone', content: {} }, GROUP, null, ''],
  ['a reaction', { type: 'm.reaction', content: {} }, PAIR, '.m.rule.reaction', ''],
  ['a server ACL', state('m.room.server_acl', ''), GROUP, '.m.rule.room.server_acl', ''],
  ['an edit', text('* hi', { 'm.relates_to': { rel_type: 'm.replace' } }), PAIR, '.m.rule.suppress_edits', ''],
  [
    'an edit that mentions',
    text('* hi', { 'm.relates_to': { rel_type: 'm.replace' }, 'm.mentions': { user_ids: [ME] } }),
    GROUP,
    '.m.rule.is_user_mention',
    'notify highlight default',
  ],
  ['a threaded message', text('hi', { 'm.relates_to': { rel_type: 'm.thread' } }), GROUP, '.m.rule.message', 'notify'],
  ['a topic', state('m.room.topic', '', { topic: 'x' }), PAIR, null, ''],
  ['my own message', { ...text('hi'), sender: ME }, PAIR, null, ''],
  ['my own mention', { ...mentions({ user_ids: [ME] }), sender: ME }, GROUP, null, ''],
]

describe('evaluate, with the predefined rules', () => {
  for (const [what, event, room, rule, asks] of PREDEFINED) {
    it(`${rule === null ? 'matches nothing' : `matches ${rule}`} for ${what}`, () => {
      // The shared compiled set and one compiled for the user must agree.
      const changed = putRule(NO_CHANGES, 'room', '!elsewhere:hs', { actions: [] })
      for (const changes of [NO_CHANGES, changed]) {
        const outcome = run(changes, event, room)
        assert.equal(outcome?.ruleId ?? null, rule)
        assert.equal(describeOutcome(outcome), asks)
      }
    })
  }
})

const at = (...conditions: JsonObject[]) => ({ actions: ['notify'], conditions })
const matchOf = (key: string, pattern: string): JsonObject => ({ kind: 'event_match', key, pattern })
const is = (key: string, value: JsonValue): JsonObject => ({ kind: 'event_property_is', key, value })
const contains = (key: string, value: JsonValue): JsonObject => ({ kind: 'event_property_contains', key, value })
const count = (wanted: string): JsonObject => ({ kind: 'room_member_count', is: wanted })
const CONTENT: JsonObject = JSON.parse(
  '{"body":"Tea, TIME!","topic":"Lunch plans","m.federate":true,"m\\\\foo":"b","n":3,"none":null,"__proto__":"p","list":["a",1,null,true,{}],"empty":"","long":"x😀y"}',
)
const EVENT: JsonObject = { type: 'org.example', content: CONTENT }

/** A single condition, and whether it holds for the event above in a room of five. */
const CONDITIONS: readonly [condition: JsonObject, holds: boolean][] = [
  [matchOf('content.topic', 'lunc?*'), true],
  [matchOf('content.topic', 'lunch'), false],
  [matchOf('content.topic', 'LUNCH PLANS'), true],
  [matchOf('content.topic', '*PLANS'), true],
  [matchOf('content.topic', 'lunch.plans'), false],
  [matchOf('content.empty', '*'), true],
  [matchOf('content.empty', ''), true],
  [matchOf('content.long', 'x?y'), true],
  [matchOf('content.none', '*'), false],
  [matchOf('content.n', '3'), false],
  [matchOf('content.absent', '*'), false],
  [matchOf('content', '*'), false],
  [matchOf('state_key', '*'), false],
  [matchOf('content.m\\\\foo', 'b'), true],
  [matchOf('content.__proto__', 'p'), true],
  [matchOf('content.constructor.name', '*'), false],
  [matchOf('content.list.length', '*'), false],
  [matchOf('room_id', '!room:hs'), true],
  [matchOf('event_id', '$event'), true],
  [matchOf('sender', '@*:hs'), true],
  [matchOf('content.body', 'tea'), true],
  [matchOf('content.body', 't?me'), true],
  [matchOf('content.body', 'tim'), false],
  [matchOf('content.body', 'tea*time'), true],
  [is('content.m\\.federate', true), true],
  [is('content.m\\.federate', 'true'), false],
  [is('content.m\\.federate', 1), false],
  [is('content.m.federate', true), false],
  [is('content.n', 3), true],
  [is('content.n', '3'), false],
  [is('content.none', null), true],
  [is('content.absent', null), false],
  [is('content.topic', 'lunch plans'), false],
  [is('content.list', 'a'), false],
  [contains('content.list', 'a'), true],
  [contains('content.list', 1), true],
  [contains('content.list', null), true],
  [contains('content.list', true), true],
  [contains('content.list', '1'), false],
  [contains('content.topic', 'L'), false],
  [contains('content.absent', null), false],
  [count('5'), true],
  [count('==5'), true],
  [count('<5'), false],
  [count('<6'), true],
  [count('<=5'), true],
  [count('>4'), true],
  [count('>5'), false],
  [count('>=5'), true],
  [count('=5'), false],
  [count('05'), true],
  [count(' 5'), false],
  [count('5.0'), false],
  [count(''), false],
  [{ kind: 'sender_notification_permission', key: 'room' }, false],
  [{ kind: 'sender_notification_permission', key: 'low' }, true],
  [{ kind: 'contains_display_name' }, true],
  [{ kind: 'org.example.unknown' }, false],
  [{ kind: 'constructor' }, false],
]

describe('evaluate, with a condition', () => {
  const room: PushRoom = { memberCount: 5, senderLevel: 10, notificationLevel: (key) => (key === 'low' ? 10 : 50) }
  for (const [condition, holds] of CONDITIONS) {
    it(`${holds ? 'holds' : 'does not hold'}: ${JSON.stringify(condition)}`, () => {
      const changes = putRule(NO_CHANGES, 'override', 'mine', at(condition))
      assert.equal(run(changes, EVENT, room, 'time')?.ruleId ?? null, holds ? 'mine' : null)
    })
  }

  it('needs all conditions, and none are all', () => {
    const both = putRule(NO_CHANGES, 'override', 'mine', at(count('5'), count('4')))
    assert.equal(run(both, EVENT, room), null)
    assert.equal(run(putRule(NO_CHANGES, 'override', 'mine', at()), EVENT, room)?.ruleId, 'mine')
  })

  it('takes a display name literally, as a whole word, and not when empty', () => {
    const changes = putRule(NO_CHANGES, 'override', 'mine', at({ kind: 'contains_display_name' }))
    const names: [string | null, boolean][] = [
      ['TEA', true],
      ['te', false],
      ['t*', false],
      ['', false],
      [null, false],
    ]
    for (const [name, holds] of names) assert.equal(run(changes, EVENT, room, name) !== null, holds, `${name}`)
  })

  it("does not read the reader's id into rules that users wrote", () => {
    const changes = putRule(NO_CHANGES, 'override', 'mine', at(matchOf('state_key', '@*:hs')))
    const outcome = run(changes, member('@you:hs', 'join'), GROUP, null, '@*:hs')
    assert.equal(outcome?.ruleId, 'mine')
  })
})

describe('evaluate, with the rules of the user', () => {
  const put = (kind: RuleKind, id: string, body: JsonObject, changes = NO_CHANGES) => putRule(changes, kind, id, body)
  const quiet = { actions: [] }
  const keyword = { actions: ['notify', { set_tweak: 'highlight' }], pattern: 'cake' }

  it('turns everything off by the master rule', () => {
    const own = put('override', 'mine', { actions: ['notify'] })
    const changes = setRuleEnabled(own, 'override', '.m.rule.master', { enabled: true })
    assert.equal(describeOutcome(run(changes, mentions({ user_ids: [ME] }), PAIR)), '')
    assert.equal(run(changes, text('x'), PAIR)?.ruleId, '.m.rule.master')
  })

  it('mutes a room by a room rule, but not its mentions', () => {
    const changes = put('room', '!room:hs', quiet)
    assert.equal(run(changes, text('hi'), PAIR)?.ruleId, '!room:hs')
    assert.equal(describeOutcome(run(changes, text('hi'), PAIR)), '')
    assert.equal(run(changes, mentions({ user_ids: [ME] }), GROUP)?.ruleId, '.m.rule.is_user_mention')
  })

  it('mutes a room wholly by an override rule', () => {
    const changes = put('override', '!room:hs', { ...quiet, conditions: [matchOf('room_id', '!room:hs')] })
    assert.equal(describeOutcome(run(changes, mentions({ user_ids: [ME] }), GROUP)), '')
  })

  it('mutes a sender, after rooms', () => {
    const changes = put('sender', '@you:hs', quiet)
    assert.equal(run(changes, text('hi'), PAIR)?.ruleId, '@you:hs')
    const both = put('room', '!room:hs', { actions: ['notify'] }, changes)
    assert.equal(run(both, text('hi'), PAIR)?.kind, 'room')
  })

  it('highlights keywords, ahead of muted rooms', () => {
    const changes = put('content', 'cake', keyword, put('room', '!room:hs', quiet))
    assert.equal(describeOutcome(run(changes, text('A CAKE!'), GROUP)), 'notify highlight')
    assert.equal(describeOutcome(run(changes, text('pancakes'), GROUP)), '')
    assert.equal(run(changes, { type: 'x', content: { body: 7 } }, GROUP)?.kind, 'room')
  })

  it('takes the first of several that match', () => {
    const changes = put(
      'content',
      'tea',
      { actions: [], pattern: 'tea' },
      put('content', 'time', { actions: ['notify'], pattern: 'time' }),
    )
    assert.equal(run(changes, text("It's time for tea"), GROUP)?.ruleId, 'tea')
  })

  it('skips disabled rules and follows changed actions of predefined ones', () => {
    const disabled = setRuleEnabled(put('content', 'cake', keyword), 'content', 'cake', { enabled: false })
    assert.equal(run(disabled, text('cake'), GROUP)?.ruleId, '.m.rule.message')
    const off = setRuleEnabled(disabled, 'underride', '.m.rule.message', { enabled: false })
    assert.equal(run(off, text('cake'), GROUP), null)
    const loud = setRuleActions(NO_CHANGES, 'underride', '.m.rule.message', {
      actions: ['notify', { set_tweak: 'sound', value: 'horn' }],
    })
    assert.equal(describeOutcome(run(loud, text('cake'), GROUP)), 'notify horn')
  })

  it('reads tweaks', () => {
    const actions = [
      { set_tweak: 'highlight', value: false },
      { set_tweak: 'sound', value: 7 },
      { set_tweak: '__proto__', value: { x: 1 } },
    ]
    const outcome = run(put('room', '!room:hs', { actions }), text('hi'), GROUP)
    assert.deepEqual([outcome?.notify, outcome?.highlight, outcome?.sound], [false, false, null])
    assert.equal(JSON.stringify(outcome?.tweaks), '{"highlight":false,"sound":7,"__proto__":{"x":1}}')
  })
})

describe('evaluate, under load and attack', () => {
  it('never throws, whatever the event and the conditions hold (S54)', () => {
    const json = fc.jsonValue() as fc.Arbitrary<JsonValue>
    const kind = fc.constantFrom(...CONDITIONS.map(([condition]) => condition['kind'] as string))
    const condition = fc.record({ kind, key: json, pattern: json, value: json, is: json })
    const key = fc.constantFrom('type', 'state_key', 'content', 'm.mentions', 'm.relates_to', 'body', '__proto__')
    const event = fc.dictionary(key, fc.oneof(json, fc.dictionary(key, json)))
    fc.assert(
      fc.property(event, fc.array(condition, { maxLength: 3 }), (odd, conditions) => {
        const rule = {
          rule_id: 'x',
          default: false,
          enabled: true,
          actions: [],
          conditions: conditions as JsonObject[],
        }
        const changes = { ...NO_CHANGES, rules: { ...NO_CHANGES.rules, override: [rule] } }
        run(changes, odd, GROUP)
        run(NO_CHANGES, odd, GROUP)
      }),
    )
    for (const odd of [null, [], 'x', 7, {}, true]) {
      const content = { body: odd, msgtype: odd, membership: odd, 'm.mentions': odd, 'm.relates_to': odd }
      assert.equal(run(NO_CHANGES, { type: 'm.room.message', content }, GROUP)?.ruleId, '.m.rule.message')
      run(NO_CHANGES, { type: 'm.room.member', state_key: odd, content: odd }, GROUP)
    }
  })

  it('survives deep nesting (J10)', () => {
    const deep = JSON.parse(`${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`)
    const path = `content${'.a'.repeat(20_000)}`
    const rule = { rule_id: 'x', default: false, enabled: true, actions: [], conditions: [is(path, 1)] }
    const changes = { ...NO_CHANGES, rules: { ...NO_CHANGES.rules, override: [rule] } }
    assert.equal(run(changes, { type: 'x', content: deep }, GROUP)?.ruleId, 'x')
  })

  it('has a bounded cost for any rules (S50)', () => {
    const evil = Array.from({ length: 1_000 }, (_, i) => `${i}${'a*'.repeat(120)}b`)
    const body = 'a'.repeat(60_000)
    let changes: PushRuleChanges = NO_CHANGES
    for (const pattern of evil) changes = putRule(changes, 'content', pattern.slice(0, 50), { actions: [], pattern })
    const globs = evil.slice(0, 500).map((pattern) => ({
      rule_id: pattern,
      default: false,
      enabled: true,
      actions: [],
      conditions: [matchOf('content.other', `a*${pattern}`)],
    }))
    changes = { ...changes, rules: { ...changes.rules, override: globs } }
    const started = process.cpuUsage()
    const outcome = run(changes, text(body, { other: body }), GROUP)
    const { user } = process.cpuUsage(started)
    assert.equal(outcome?.ruleId, '.m.rule.message')
    assert.ok(user < 1_000_000, `took ${user} µs`)
  })

  it('has a bounded cost for long lists (S50), and still finds a mention behind them', () => {
    const list = Array.from({ length: 30_000 }, () => 1)
    const conditions = Array.from({ length: 32 }, () => contains('content.list', 1))
    const rules = Array.from({ length: 2_000 }, (_, i) => ({
      rule_id: `${i}`,
      default: false,
      enabled: true,
      actions: [],
      conditions: [...conditions, contains('content.list', 2)],
    }))
    const changes = { ...NO_CHANGES, rules: { ...NO_CHANGES.rules, override: rules } }
    const compiled = compileRules(ME, changes)
    const event = pushEvent(text('hi', { list, 'm.mentions': { user_ids: [ME] } }), GROUP)
    const started = process.cpuUsage()
    assert.equal(evaluate(compiled, event, { userId: ME, displayName: null })?.ruleId, '.m.rule.is_user_mention')
    const { user } = process.cpuUsage(started)
    assert.ok(user < 1_000_000, `took ${user} µs`)
  })

  it("gives each user's evaluation its own allowance", () => {
    const event = pushEvent(text('a'.repeat(SEARCHED_LENGTH_MAX), { other: 'a'.repeat(60_000) }), GROUP)
    const costly = Array.from({ length: 10 }, (_, i) => matchOf('content.other', `${'a*'.repeat(100)}${i}`))
    const rules = costly.map((condition, i) => ({
      rule_id: `${i}`,
      default: false,
      enabled: true,
      actions: [],
      conditions: [condition],
    }))
    const greedy = { ...NO_CHANGES, rules: { ...NO_CHANGES.rules, override: rules } }
    evaluate(compileRules(ME, greedy), event, { userId: ME, displayName: null })
    const modest = putRule(NO_CHANGES, 'content', 'a', { actions: ['notify'], pattern: 'a*' })
    assert.equal(evaluate(compileRules('@b:hs', modest), event, { userId: '@b:hs', displayName: null })?.ruleId, 'a')
  })

  it('shares one compiled set among accounts without changes', () => {
    assert.equal(compileRules('@a:hs', NO_CHANGES), compileRules('@b:hs', NO_CHANGES))
    const event = pushEvent(mentions({ user_ids: ['@a:hs'] }), GROUP)
    const rules = compileRules('@a:hs', NO_CHANGES)
    assert.equal(evaluate(rules, event, { userId: '@a:hs', displayName: null })?.highlight, true)
    assert.equal(evaluate(rules, event, { userId: '@b:hs', displayName: null })?.highlight, false)
  })
})

function run(
  changes: PushRuleChanges,
  event: JsonObject,
  room: PushRoom,
  displayName: string | null = null,
  userId = ME,
): PushOutcome | null {
  const user: PushUser = { userId, displayName }
  return evaluate(compileRules(userId, changes), pushEvent(event, room), user)
}

function pushEvent(event: JsonObject, room: PushRoom): PushEvent {
  const sender = '@you:hs'
  const json: JsonObject = { sender, ...event }
  const event_ = {
    eventId: '$event' as EventId,
    roomId: '!room:hs' as RoomId,
    sender: (typeof json['sender'] === 'string' ? json['sender'] : sender) as UserId,
    json,
  }
  return new PushEvent(event_, room)
}

function describeOutcome(outcome: PushOutcome | null): string {
  if (outcome === null) return ''
  return [outcome.notify && 'notify', outcome.highlight && 'highlight', outcome.sound].filter(Boolean).join(' ')
}
