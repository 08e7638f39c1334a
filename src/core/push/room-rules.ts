import type { RoomId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { type PushRule, RULE_KINDS } from '#core/push/push-rule.ts'
import { countRules, type PushRuleChanges, USER_RULES_MAX } from '#core/push/ruleset.ts'

/**
 * Copies a user's own rules about one room, so that they hold in another one too: room rules, and rules of other kinds
 * that ask for the room by its id. Each copy is as important as its original. What is there already stays; nothing is
 * copied where there is no room for all of it.
 *
 * @returns the same object where there is nothing to copy
 */
export function copyRoomRules(changes: PushRuleChanges, from: RoomId, to: RoomId): PushRuleChanges {
  let copied = changes
  for (const kind of RULE_KINDS) {
    const rules = changes.rules[kind]
    const known = new Set(rules.map(({ rule_id }) => rule_id))
    const all = rules.flatMap((rule) => {
      const copy = copyOf(rule, from, to)
      return copy === null || known.has(copy.rule_id) ? [rule] : [rule, copy]
    })
    if (all.length > rules.length) copied = { ...copied, rules: { ...copied.rules, [kind]: all } }
  }
  return countRules(copied) > USER_RULES_MAX ? changes : copied
}

/** The rule for the other room; null where it isn't about the first one. */
function copyOf(rule: PushRule, from: RoomId, to: RoomId): PushRule | null {
  const { rule_id: id, conditions } = rule
  const asksForRoom = conditions?.some((condition) => asksFor(condition, from)) === true
  if (id !== from && !asksForRoom) return null
  const rule_id = id.includes(from) ? id.replaceAll(from, to) : `${id} ${to}`
  if (conditions === undefined) return { ...rule, rule_id }
  const replaced = conditions.map((condition) => (asksFor(condition, from) ? { ...condition, pattern: to } : condition))
  return { ...rule, rule_id, conditions: replaced }
}

function asksFor({ kind, key, pattern }: JsonObject, roomId: RoomId): boolean {
  return kind === 'event_match' && key === 'room_id' && pattern === roomId
}
