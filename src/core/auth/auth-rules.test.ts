import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CREATE_CASES } from '#test/generators/auth-cases/create-cases.ts'
import { INVITE_CASES } from '#test/generators/auth-cases/invite-cases.ts'
import { MEMBER_CASES } from '#test/generators/auth-cases/member-cases.ts'
import { POWER_LEVEL_CASES } from '#test/generators/auth-cases/power-level-cases.ts'
import { PUBLISHED_RULES } from '#test/generators/auth-cases/published-rules.ts'
import { ROOM_CASES } from '#test/generators/auth-cases/room-cases.ts'
import { numbersOf, type RuleCase } from '#test/generators/auth-cases/rule-case.ts'
import { TestRoom } from '#test/generators/test-room.ts'

const CASES: readonly RuleCase[] = [
  ...CREATE_CASES,
  ...MEMBER_CASES,
  ...INVITE_CASES,
  ...POWER_LEVEL_CASES,
  ...ROOM_CASES,
]

/** The two ways of holding keys that rule 5.3.1.7 lists are one rule to us. */
function verdictNumber(rule: string): string {
  return rule.replace(/\.1\.7\.[12]$/, '.1.7')
}

for (const { versions, rules } of PUBLISHED_RULES) {
  for (const version of versions) {
    test(`S9: each rule of room version ${version} accepts one event and refuses another`, () => {
      const covered = new Set<string>()
      for (const ruleCase of CASES) {
        const rule = numbersOf(ruleCase.rule).get(version)
        if (rule === undefined) continue
        covered.add(rule)
        checkCase(ruleCase, rule, version)
      }
      assert.deepEqual([...covered].sort(), [...rules].sort(), 'each published rule has a case, and no other')
    })
  }
}

function checkCase({ kind, accept, refuse }: RuleCase, rule: string, version: number): void {
  const accepted = accept(new TestRoom(version))
  assert.ok(accepted.ok, `${rule}: ${accepted.ok ? '' : `refused by ${accepted.rule}, ${accepted.reason}`}`)
  const refused = refuse(new TestRoom(version))
  assert.ok(!refused.ok, `${rule}: allowed by ${refused.rule}`)
  if (kind !== 'refuses') assert.equal(accepted.rule, verdictNumber(rule), 'the rule that allowed')
  if (kind !== 'allows') assert.equal(refused.rule, verdictNumber(rule), `the rule that refused: ${refused.reason}`)
}
