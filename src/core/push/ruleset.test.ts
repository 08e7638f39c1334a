import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { defaultRules } from '#core/push/default-rules.ts'
import type { RuleKind } from '#core/push/push-rule.ts'
import {
  ACTIONS_MAX,
  CONDITIONS_MAX,
  PATTERN_BYTES_MAX,
  RULE_ID_BYTES_MAX,
  RULE_LENGTH_MAX,
} from '#core/push/rule-body.ts'
import {
  deleteRule,
  getRule,
  isUnchanged,
  mergeRuleset,
  NO_CHANGES,
  type PushRuleChanges,
  parseRuleKind,
  putRule,
  setRuleActions,
  setRuleEnabled,
  USER_RULES_MAX,
} from '#core/push/ruleset.ts'

const USER = '@me:hs'
const BODY = { actions: ['notify'] }

describe('defaultRules', () => {
  it('has the 15 rules of the specification in their order', () => {
    const rules = defaultRules(USER)
    assert.deepEqual(
      rules.override.map((rule) => rule.rule_id),
      [
        '.m.rule.master',
        '.m.rule.suppress_notices',
        '.m.rule.invite_for_me',
        '.m.rule.member_event',
        '.m.rule.is_user_mention',
        '.m.rule.is_room_mention',
        '.m.rule.tombstone',
        '.m.rule.reaction',
        '.m.rule.room.server_acl',
        '.m.rule.suppress_edits',
      ],
    )
    assert.deepEqual(
      rules.underride.map((rule) => rule.rule_id),
      [
        '.m.rule.call',
        '.m.rule.encrypted_room_one_to_one',
        '.m.rule.room_one_to_one',
        '.m.rule.message',
        '.m.rule.encrypted',
      ],
    )
    assert.deepEqual([rules.content, rules.room, rules.sender], [[], [], []])
    for (const rule of [...rules.override, ...rules.underride]) {
      assert.equal(rule.default, true)
      assert.equal(rule.enabled, rule.rule_id !== '.m.rule.master')
    }
  })

  it('names the user in the two rules that are about them', () => {
    const rules = defaultRules(USER)
    assert.deepEqual(getRule(rules, 'override', '.m.rule.is_user_mention'), {
      rule_id: '.m.rule.is_user_mention',
      default: true,
      enabled: true,
      conditions: [{ kind: 'event_property_contains', key: 'content.m\\.mentions.user_ids', value: USER }],
      actions: ['notify', { set_tweak: 'sound', value: 'default' }, { set_tweak: 'highlight' }],
    })
    assert.deepEqual(getRule(rules, 'override', '.m.rule.invite_for_me').conditions?.[2], {
      kind: 'event_match',
      key: 'state_key',
      pattern: USER,
    })
  })
})

describe('mergeRuleset', () => {
  it('puts the rules of the user ahead of all predefined ones but the master rule', () => {
    const changes = add(add(NO_CHANGES, 'override', 'mine'), 'underride', 'mine')
    const merged = mergeRuleset(USER, changes)
    assert.deepEqual(
      merged.override.slice(0, 3).map((rule) => rule.rule_id),
      ['.m.rule.master', 'mine', '.m.rule.suppress_notices'],
    )
    assert.deepEqual(
      merged.underride.slice(0, 2).map((rule) => rule.rule_id),
      ['mine', '.m.rule.call'],
    )
  })

  it('is the predefined set without changes', () => {
    assert.deepEqual(mergeRuleset(USER, NO_CHANGES), defaultRules(USER))
    assert.ok(isUnchanged(NO_CHANGES))
  })

  it('survives storage as JSON', () => {
    let changes = setRuleEnabled(add(NO_CHANGES, 'room', '!a:hs'), 'override', '.m.rule.master', { enabled: true })
    changes = setRuleActions(changes, 'underride', '.m.rule.message', { actions: [{ set_tweak: '__proto__' }] })
    assert.ok(!isUnchanged(changes))
    assert.deepEqual(mergeRuleset(USER, JSON.parse(JSON.stringify(changes))), mergeRuleset(USER, changes))
  })
})

describe('putRule', () => {
  it('adds a rule of each kind, enabled, with the members of its kind alone', () => {
    const conditions = [{ kind: 'event_match', key: 'type', pattern: 'x' }]
    const body = { actions: ['notify'], pattern: 'cake', conditions, enabled: false, default: true, more: 1 }
    const common = { rule_id: 'id', default: false, enabled: true, actions: ['notify'] }
    const expected: Record<RuleKind, JsonObject> = {
      override: { ...common, conditions },
      content: { ...common, pattern: 'cake' },
      room: common,
      sender: common,
      underride: { ...common, conditions },
    }
    for (const [kind, rule] of Object.entries(expected)) {
      const changes = putRule(NO_CHANGES, parseRuleKind(kind), 'id', body)
      assert.deepEqual(getRule(mergeRuleset(USER, changes), parseRuleKind(kind), 'id'), rule)
    }
  })

  it('keeps the historical actions', () => {
    const actions = ['dont_notify', 'coalesce', 'notify']
    const changes = putRule(NO_CHANGES, 'room', '!a:hs', { actions })
    assert.deepEqual(getRule(changes.rules, 'room', '!a:hs').actions, actions)
  })

  const abc = ['c', 'b', 'a'].reduce((changes, id) => add(changes, 'content', id), NO_CHANGES)
  const PLACES: readonly [id: string, place: { before?: string; after?: string }, order: string][] = [
    ['new', {}, 'new a b c'],
    ['new', { before: 'a' }, 'new a b c'],
    ['new', { before: 'c' }, 'a b new c'],
    ['new', { after: 'a' }, 'a new b c'],
    ['new', { after: 'c' }, 'a b c new'],
    ['new', { before: 'b', after: 'c' }, 'a new b c'],
    ['b', {}, 'a b c'],
    ['c', { before: 'a' }, 'c a b'],
    ['a', { after: 'c' }, 'b c a'],
    ['a', { before: 'c' }, 'b a c'],
  ]
  for (const [id, place, order] of PLACES) {
    it(`places ${id} ${JSON.stringify(place)} as ${order}`, () => {
      assert.equal(ids(add(abc, 'content', id, place), 'content'), order)
      assert.equal(ids(abc, 'content'), 'a b c', 'the earlier value stays as it was')
    })
  }

  it('replaces what a rule says but not whether it is enabled', () => {
    const disabled = setRuleEnabled(abc, 'content', 'b', { enabled: false })
    const changes = putRule(disabled, 'content', 'b', { actions: [], pattern: 'tea' })
    const expected = { rule_id: 'b', default: false, enabled: false, actions: [], pattern: 'tea' }
    assert.deepEqual(getRule(changes.rules, 'content', 'b'), expected)
  })

  it('refuses places relative to unknown and predefined rules', () => {
    for (const relative of ['nobody', '.m.rule.message', 'constructor', 'own']) {
      for (const place of [{ before: relative }, { after: relative }]) {
        assert.throws(() => add(NO_CHANGES, 'underride', 'own', place), { errcode: 'M_UNKNOWN', status: 400 })
      }
    }
  })

  it('refuses reserved and malformed rule ids', () => {
    const bad = ['', '.mine', '.m.rule.master', 'a/b', 'a\\b', 'é'.repeat(RULE_ID_BYTES_MAX / 2 + 1)]
    for (const id of bad) assert.throws(() => add(NO_CHANGES, 'room', id), { errcode: 'M_INVALID_PARAM' }, id)
    add(NO_CHANGES, 'room', 'x'.repeat(RULE_ID_BYTES_MAX))
    add(NO_CHANGES, 'room', '__proto__')
  })

  const many = (count: number, item: JsonValue) => Array.from({ length: count }, () => item)
  const BAD: readonly [kind: RuleKind, body: JsonValue, errcode: string][] = [
    ...[null, 7, 'x', [], true].map((body): [RuleKind, JsonValue, string] => ['room', body, 'M_BAD_JSON']),
    ['room', {}, 'M_MISSING_PARAM'],
    ...[null, 7, 'notify', {}, true].map((actions): [RuleKind, JsonValue, string] => [
      'room',
      { actions },
      'M_BAD_JSON',
    ]),
    ['room', { actions: [7] }, 'M_BAD_JSON'],
    ['room', { actions: [['notify']] }, 'M_BAD_JSON'],
    ['room', { actions: ['shout'] }, 'M_INVALID_PARAM'],
    ['room', { actions: [{}] }, 'M_INVALID_PARAM'],
    ['room', { actions: [{ set_tweak: 7 }] }, 'M_INVALID_PARAM'],
    ['room', { actions: many(ACTIONS_MAX + 1, 'notify') }, 'M_TOO_LARGE'],
    ['room', { actions: [{ set_tweak: 'sound', value: 'x'.repeat(RULE_LENGTH_MAX) }] }, 'M_TOO_LARGE'],
    ['content', { actions: [] }, 'M_MISSING_PARAM'],
    ['content', { actions: [], pattern: 7 }, 'M_BAD_JSON'],
    ['content', { actions: [], pattern: 'x'.repeat(PATTERN_BYTES_MAX + 1) }, 'M_TOO_LARGE'],
    ...[null, 7, 'x', {}].map((conditions): [RuleKind, JsonValue, string] => [
      'override',
      { actions: [], conditions },
      'M_BAD_JSON',
    ]),
    ['underride', { actions: [], conditions: many(CONDITIONS_MAX + 1, { kind: 'x' }) }, 'M_TOO_LARGE'],
    ['underride', { actions: [], conditions: [null] }, 'M_BAD_JSON'],
    ['underride', { actions: [], conditions: [{}] }, 'M_MISSING_PARAM'],
    ['underride', { actions: [], conditions: [{ kind: 7 }] }, 'M_BAD_JSON'],
    ['underride', { actions: [], conditions: [{ kind: 'event_match', key: 'type' }] }, 'M_MISSING_PARAM'],
    ['underride', { actions: [], conditions: [{ kind: 'event_match', pattern: 'x' }] }, 'M_MISSING_PARAM'],
    ['underride', { actions: [], conditions: [{ kind: 'event_property_is', key: 'type' }] }, 'M_MISSING_PARAM'],
    ['underride', { actions: [], conditions: [{ kind: 'event_property_is', key: 'a', value: [] }] }, 'M_BAD_JSON'],
    [
      'underride',
      { actions: [], conditions: [{ kind: 'event_property_contains', key: 'a', value: 1.5 }] },
      'M_BAD_JSON',
    ],
    ['underride', { actions: [], conditions: [{ kind: 'sender_notification_permission' }] }, 'M_MISSING_PARAM'],
    ['underride', { actions: [], conditions: [{ kind: 'room_member_count', is: 2 }] }, 'M_BAD_JSON'],
  ]
  for (const [kind, body, errcode] of BAD) {
    it(`refuses ${kind} ${JSON.stringify(body).slice(0, 90)}`, () => {
      assert.throws(() => putRule(NO_CHANGES, kind, 'id', body), { errcode })
    })
  }

  it('accepts conditions that it does not know, and rules at the limits', () => {
    const unknown = { kind: 'org.example.moon', phase: ['full'] }
    const changes = putRule(NO_CHANGES, 'override', 'id', { actions: [], conditions: [unknown] })
    assert.deepEqual(getRule(changes.rules, 'override', 'id').conditions, [unknown])
    putRule(NO_CHANGES, 'content', 'id', { actions: [], pattern: 'x'.repeat(PATTERN_BYTES_MAX) })
    putRule(NO_CHANGES, 'room', 'id', { actions: many(ACTIONS_MAX, 'notify') })
    putRule(NO_CHANGES, 'override', 'id', { actions: [], conditions: many(CONDITIONS_MAX, { kind: 'x' }) })
  })

  it('limits how many rules an account has, but not their updates', () => {
    const rule = getRule(add(NO_CHANGES, 'room', 'x').rules, 'room', 'x')
    const rules = Array.from({ length: USER_RULES_MAX }, (_, i) => ({ ...rule, rule_id: `!${i}:hs` }))
    const full = { ...NO_CHANGES, rules: { ...NO_CHANGES.rules, room: rules } }
    assert.throws(() => add(full, 'sender', '@x:hs'), { errcode: 'M_TOO_LARGE' })
    assert.throws(() => add(full, 'room', '!x:hs'), { errcode: 'M_TOO_LARGE' })
    assert.equal(add(full, 'room', '!0:hs').rules.room.length, USER_RULES_MAX)
  })
})

describe('the other edits', () => {
  const mine = add(NO_CHANGES, 'room', '!a:hs')

  it('delete a rule of the user, never a predefined one', () => {
    assert.deepEqual(deleteRule(mine, 'room', '!a:hs'), NO_CHANGES)
    assert.throws(() => deleteRule(mine, 'sender', '!a:hs'), { errcode: 'M_NOT_FOUND' })
    assert.throws(() => deleteRule(mine, 'override', '.m.rule.master'), { errcode: 'M_NOT_FOUND' })
  })

  it('enable and disable both sorts of rule', () => {
    let changes = setRuleEnabled(mine, 'room', '!a:hs', { enabled: false })
    changes = setRuleEnabled(changes, 'override', '.m.rule.master', { enabled: true })
    changes = setRuleEnabled(changes, 'override', '.m.rule.reaction', { enabled: false })
    changes = setRuleEnabled(changes, 'override', '.m.rule.reaction', { enabled: true })
    const merged = mergeRuleset(USER, changes)
    assert.equal(getRule(merged, 'room', '!a:hs').enabled, false)
    assert.equal(getRule(merged, 'override', '.m.rule.master').enabled, true)
    assert.equal(getRule(merged, 'override', '.m.rule.reaction').enabled, true)
  })

  it('set the actions of both sorts of rule, apart from whether they are enabled', () => {
    let changes = setRuleActions(mine, 'room', '!a:hs', { actions: [{ set_tweak: 'sound', value: 'x' }] })
    changes = setRuleEnabled(changes, 'underride', '.m.rule.message', { enabled: false })
    changes = setRuleActions(changes, 'underride', '.m.rule.message', { actions: ['dont_notify'] })
    const merged = mergeRuleset(USER, changes)
    assert.deepEqual(getRule(merged, 'room', '!a:hs').actions, [{ set_tweak: 'sound', value: 'x' }])
    const message = getRule(merged, 'underride', '.m.rule.message')
    assert.deepEqual([message.actions, message.enabled, message.default], [['dont_notify'], false, true])
  })

  it('refuse unknown rules and malformed bodies', () => {
    const unknown: readonly [RuleKind, string][] = [
      ['room', '!b:hs'],
      ['content', '.m.rule.contains_user_name'],
      ['underride', '.m.rule.master'],
      ['override', 'constructor'],
    ]
    for (const [kind, id] of unknown) {
      assert.throws(() => setRuleEnabled(mine, kind, id, { enabled: true }), { errcode: 'M_NOT_FOUND' })
      assert.throws(() => setRuleActions(mine, kind, id, BODY), { errcode: 'M_NOT_FOUND' })
      assert.throws(() => getRule(mergeRuleset(USER, mine), kind, id), { errcode: 'M_NOT_FOUND' })
    }
    for (const body of [null, [], 'x', true]) {
      assert.throws(() => setRuleEnabled(mine, 'room', '!a:hs', body), { errcode: 'M_BAD_JSON' })
      assert.throws(() => setRuleActions(mine, 'room', '!a:hs', body), { errcode: 'M_BAD_JSON' })
    }
    for (const enabled of [null, 1, 'true', {}]) {
      assert.throws(() => setRuleEnabled(mine, 'room', '!a:hs', { enabled }), { errcode: 'M_BAD_JSON' })
    }
    assert.throws(() => setRuleEnabled(mine, 'room', '!a:hs', {}), { errcode: 'M_MISSING_PARAM' })
    assert.throws(() => setRuleActions(mine, 'room', '!a:hs', {}), { errcode: 'M_MISSING_PARAM' })
  })

  it('refuse unknown kinds', () => {
    for (const kind of ['overrides', '', '__proto__', 'constructor']) {
      assert.throws(() => parseRuleKind(kind), { errcode: 'M_INVALID_PARAM' })
    }
  })
})

function add(
  changes: PushRuleChanges,
  kind: RuleKind,
  id: string,
  place: { before?: string; after?: string } = {},
): PushRuleChanges {
  return putRule(changes, kind, id, kind === 'content' ? { ...BODY, pattern: id } : BODY, place)
}

function ids(changes: PushRuleChanges, kind: RuleKind): string {
  return changes.rules[kind].map((rule) => rule.rule_id).join(' ')
}
