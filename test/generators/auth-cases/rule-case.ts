import type { AuthResult } from '#core/auth/auth-result.ts'
import type { TestRoom } from '#test/generators/test-room.ts'

/** Sets up a room and asks for a verdict on an event there. */
export type Scenario = (room: TestRoom) => AuthResult

/** One numbered rule with an event that it lets pass, or allows, and one that is refused. */
export type RuleCase = {
  /** The rule's number by range of versions: `1-5:5.2.1 6-11:4.2.1`. */
  readonly rule: string
  /**
   * What the rule does: one that `refuses` must be the one that refuses, one that `allows` must be the one that allows,
   * and an "if and only if" does `both`.
   */
  readonly kind: 'refuses' | 'allows' | 'both'
  readonly accept: Scenario
  readonly refuse: Scenario
}

export const CREATE = '1-12:1'
export const AUTH_EVENTS = '1-11:2 12:3'
export const MEMBER = '1-5:5 6-11:4 12:5'
export const JOIN = '1-5:5.2 6-7:4.2 8-11:4.3 12:5.3'
export const INVITE = '1-5:5.3 6-7:4.3 8-11:4.4 12:5.4'
export const LEAVE = '1-5:5.4 6-7:4.4 8-11:4.5 12:5.5'
export const BAN = '1-5:5.5 6-7:4.5 8-11:4.6 12:5.6'
export const KNOCK = '7:4.6 8-11:4.7 12:5.7'

/** The number of a rule within a section, in all versions that have the section. */
export function under(section: string, item: string): string {
  return section
    .split(' ')
    .map((range) => `${range}.${item}`)
    .join(' ')
}

/** The rule's number in each version that has it. */
export function numbersOf(rule: string): Map<number, string> {
  const numbers = new Map<number, string>()
  for (const range of rule.split(' ')) {
    const [versions = '', number = ''] = range.split(':')
    const [first = 0, last = first] = versions.split('-').map(Number)
    for (let version = first; version <= last; version++) numbers.set(version, number)
  }
  return numbers
}
