import { type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { bodyMatch, type Condition, compileCondition, type PushUser } from '#core/push/conditions.ts'
import { defaultRules } from '#core/push/default-rules.ts'
import type { PushEvent } from '#core/push/push-event.ts'
import type { PushAction, PushRule, RuleKind, Ruleset } from '#core/push/push-rule.ts'
import { isUnchanged, mergeRuleset, type PushRuleChanges } from '#core/push/ruleset.ts'

/** What the rule that matched an event asks for. */
export type PushOutcome = {
  readonly kind: RuleKind
  readonly ruleId: string
  readonly actions: readonly PushAction[]
  readonly notify: boolean
  readonly highlight: boolean
  /** The tweak `sound`; null for a silent notification. */
  readonly sound: string | null
  /** All tweaks, as the push gateway is sent them. */
  readonly tweaks: JsonObject
}

type CompiledRule = { readonly conditions: readonly Condition[]; readonly outcome: PushOutcome }

/** A ruleset made ready for many evaluations: the enabled rules only. */
export type CompiledRuleset = {
  readonly override: readonly CompiledRule[]
  readonly content: readonly CompiledRule[]
  readonly room: ReadonlyMap<string, PushOutcome>
  readonly sender: ReadonlyMap<string, PushOutcome>
  readonly underride: readonly CompiledRule[]
}

/** Compiles an account's rules. Accounts that changed nothing share one compiled set. */
export function compileRules(userId: string, changes: PushRuleChanges): CompiledRuleset {
  return isUnchanged(changes) ? UNCHANGED : compileRuleset(mergeRuleset(userId, changes), userId)
}

/**
 * What an event means to a user, by the first rule that matches; null if none does, and for the user's own events:
 * "Homeservers MUST NOT notify the Push Gateway for events that the user has sent themselves." Never throws, whatever
 * the event holds, and takes a bounded number of steps.
 */
export function evaluate(rules: CompiledRuleset, event: PushEvent, user: PushUser): PushOutcome | null {
  if (event.sender === user.userId) return null
  event.startEvaluation()
  return (
    firstMatch(rules.override, event, user) ??
    firstMatch(rules.content, event, user) ??
    rules.room.get(event.roomId) ??
    rules.sender.get(event.sender) ??
    firstMatch(rules.underride, event, user)
  )
}

function firstMatch(rules: readonly CompiledRule[], event: PushEvent, user: PushUser): PushOutcome | null {
  for (const rule of rules) {
    if (allHold(rule.conditions, event, user)) return rule.outcome
  }
  return null
}

function allHold(conditions: readonly Condition[], event: PushEvent, user: PushUser): boolean {
  for (const condition of conditions) {
    if (!condition(event, user)) return false
  }
  return true
}

function compileRuleset(ruleset: Ruleset, ownId: string): CompiledRuleset {
  const enabled = (kind: RuleKind) => ruleset[kind].filter((rule) => rule.enabled)
  const compiled = (kind: RuleKind) =>
    enabled(kind).map((rule) => ({ conditions: conditionsOf(kind, rule, ownId), outcome: outcomeOf(kind, rule) }))
  const byId = (kind: RuleKind) => new Map(enabled(kind).map((rule) => [rule.rule_id, outcomeOf(kind, rule)]))
  return {
    override: compiled('override'),
    content: compiled('content'),
    room: byId('room'),
    sender: byId('sender'),
    underride: compiled('underride'),
  }
}

const ANYONE = '@anyone:localhost'
const UNCHANGED = compileRuleset(defaultRules(ANYONE), ANYONE)

function conditionsOf(kind: RuleKind, rule: PushRule, ownId: string): readonly Condition[] {
  if (kind === 'content') return [bodyMatch(rule.pattern ?? '')]
  return (rule.conditions ?? []).map((condition) => compileCondition(condition, rule.default ? ownId : null))
}

function outcomeOf(kind: RuleKind, rule: PushRule): PushOutcome {
  const tweaks: JsonObject = Object.fromEntries(rule.actions.flatMap(tweakOf))
  const sound = member(tweaks, 'sound')
  return {
    kind,
    ruleId: rule.rule_id,
    actions: rule.actions,
    notify: rule.actions.includes('notify'),
    highlight: member(tweaks, 'highlight') === true,
    sound: typeof sound === 'string' ? sound : null,
    tweaks,
  }
}

/** "If a highlight tweak is given with no value, its value is defined to be true." */
function tweakOf(action: PushAction): [string, JsonValue][] {
  if (typeof action === 'string') return []
  const name = member(action, 'set_tweak')
  const value = member(action, 'value') ?? (name === 'highlight' ? true : undefined)
  return typeof name === 'string' && value !== undefined ? [[name, value]] : []
}
