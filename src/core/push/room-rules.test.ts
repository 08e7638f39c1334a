import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { RoomId } from '#core/ids.ts'
import { copyRoomRules } from '#core/push/room-rules.ts'
import { NO_CHANGES, type PushRuleChanges, putRule, setRuleEnabled, USER_RULES_MAX } from '#core/push/ruleset.ts'

const OLD = '!old:x' as RoomId
const NEW = '!new:x' as RoomId
const inRoom = (pattern: string) => ({ kind: 'event_match', key: 'room_id', pattern })
const byWord = { kind: 'event_match', key: 'content.body', pattern: 'cake' }

const ids = (changes: PushRuleChanges, kind: 'override' | 'room' | 'underride') =>
  changes.rules[kind].map(({ rule_id }) => rule_id)

it('rules about a room are copied with their order, their actions and whether they are on', () => {
  let changes = putRule(NO_CHANGES, 'room', '!other:x', { actions: ['notify'] })
  changes = putRule(changes, 'room', OLD, { actions: [] })
  changes = setRuleEnabled(changes, 'room', OLD, { enabled: false })
  changes = putRule(changes, 'override', 'elsewhere', { actions: [], conditions: [byWord] })
  changes = putRule(changes, 'override', OLD, { actions: [], conditions: [inRoom(OLD)] })
  changes = putRule(changes, 'underride', 'cake', { actions: ['notify'], conditions: [byWord, inRoom(OLD)] })
  const copied = copyRoomRules(changes, OLD, NEW)
  assert.deepEqual(ids(copied, 'room'), [OLD, NEW, '!other:x'])
  assert.deepEqual(copied.rules.room[1], { ...copied.rules.room[0], rule_id: NEW })
  assert.deepEqual(ids(copied, 'override'), [OLD, NEW, 'elsewhere'])
  assert.deepEqual(copied.rules.override[1]?.conditions, [inRoom(NEW)])
  assert.deepEqual(ids(copied, 'underride'), ['cake', `cake ${NEW}`])
  assert.deepEqual(copied.rules.underride[1]?.conditions, [byWord, inRoom(NEW)])
  assert.equal(copyRoomRules(copied, OLD, NEW), copied)
})

it('a rule that the user has made for the other room stays, and so do all where there is no place for more', () => {
  let changes = putRule(NO_CHANGES, 'room', OLD, { actions: [] })
  changes = putRule(changes, 'room', NEW, { actions: ['notify'] })
  assert.equal(copyRoomRules(changes, OLD, NEW), changes)
  const rule = { rule_id: OLD, default: false, enabled: true, actions: [] }
  const others = Array.from({ length: USER_RULES_MAX - 1 }, (_, i) => ({ ...rule, rule_id: `!${i}:x` }))
  const full = { ...NO_CHANGES, rules: { ...NO_CHANGES.rules, room: [rule, ...others] } }
  assert.equal(copyRoomRules(full, OLD, NEW), full)
})
