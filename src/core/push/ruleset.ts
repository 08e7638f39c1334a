import { isJsonObject, type JsonObject, type JsonValue } from '#core/json/value.ts'
import { badJson, invalidParam, MatrixError, missingParam, notFound, tooLarge } from '#core/matrix-error.ts'
import { defaultRules, MASTER_RULE_ID } from '#core/push/default-rules.ts'
import {
  isRuleKind,
  type PushAction,
  type PushRule,
  RULE_KINDS,
  type RuleKind,
  type Ruleset,
} from '#core/push/push-rule.ts'
import { parseActions, parseRule } from '#core/push/rule-body.ts'

/** How many rules of their own a user may have, of all kinds together. */
export const USER_RULES_MAX = 2_000

/** What a user changed in a predefined rule. */
export type PredefinedChange = {
  readonly rule_id: string
  readonly enabled?: boolean
  readonly actions?: readonly PushAction[]
}

/** What a user made of the predefined rules: this is what is stored, as JSON. */
export type PushRuleChanges = {
  /** The user's own rules, highest priority first in each kind. */
  readonly rules: Ruleset
  readonly predefined: readonly PredefinedChange[]
}

export const NO_CHANGES: PushRuleChanges = {
  rules: { override: [], content: [], room: [], sender: [], underride: [] },
  predefined: [],
}

export function isUnchanged(changes: PushRuleChanges): boolean {
  return changes.predefined.length === 0 && countRules(changes) === 0
}

/**
 * The whole ruleset of an account, as `GET /pushrules/global/` and the account data `m.push_rules` (`{ global }`) show
 * it. Predefined rules "operate at a lower priority than user-defined rules, except for the .m.rule.master rule".
 */
export function mergeRuleset(userId: string, changes: PushRuleChanges): Ruleset {
  const predefined = defaultRules(userId)
  const merged = (kind: RuleKind): readonly PushRule[] => {
    const defaults = predefined[kind].map((rule) => withChange(rule, changes.predefined))
    const master = defaults.filter((rule) => rule.rule_id === MASTER_RULE_ID)
    return [...master, ...changes.rules[kind], ...defaults.filter((rule) => rule.rule_id !== MASTER_RULE_ID)]
  }
  return {
    override: merged('override'),
    content: merged('content'),
    room: merged('room'),
    sender: merged('sender'),
    underride: merged('underride'),
  }
}

/** The kind named in a path. @throws MatrixError M_INVALID_PARAM */
export function parseRuleKind(kind: string): RuleKind {
  if (!isRuleKind(kind)) throw invalidParam('Unknown kind of push rule')
  return kind
}

/** @throws MatrixError M_NOT_FOUND */
export function getRule(ruleset: Ruleset, kind: RuleKind, ruleId: string): PushRule {
  const found = ruleset[kind].find((rule) => rule.rule_id === ruleId)
  if (found === undefined) throw notFound('The push rule was not found')
  return found
}

/**
 * Adds or updates a user's own rule (`PUT /pushrules/global/{kind}/{ruleId}`). An updated rule keeps its place, unless
 * `before` or `after` move it, and whether it is enabled. A new rule without either becomes "the most important user
 * defined rule among rules of the same kind".
 *
 * @throws MatrixError for a bad id or body, M_UNKNOWN (400) if `before` or `after` is no rule of the user
 */
export function putRule(
  changes: PushRuleChanges,
  kind: RuleKind,
  ruleId: string,
  body: JsonValue,
  place: { readonly before?: string | undefined; readonly after?: string | undefined } = {},
): PushRuleChanges {
  const rules = changes.rules[kind]
  const index = rules.findIndex((rule) => rule.rule_id === ruleId)
  if (index === -1 && countRules(changes) >= USER_RULES_MAX) {
    throw tooLarge(`An account may have at most ${USER_RULES_MAX} push rules`)
  }
  const rule = { ...parseRule(kind, ruleId, body), enabled: rules[index]?.enabled ?? true }
  const others = rules.filter((other) => other.rule_id !== ruleId)
  return withRules(changes, kind, others.toSpliced(placeOf(others, place, Math.max(index, 0)), 0, rule))
}

/** Deletes one of the user's own rules. @throws MatrixError M_NOT_FOUND, also for predefined rules */
export function deleteRule(changes: PushRuleChanges, kind: RuleKind, ruleId: string): PushRuleChanges {
  getRule(changes.rules, kind, ruleId)
  const rules = changes.rules[kind].filter((rule) => rule.rule_id !== ruleId)
  return withRules(changes, kind, rules)
}

/**
 * Enables or disables one of the user's own rules or a predefined one, from the `enabled` of the request's body.
 *
 * @throws MatrixError M_NOT_FOUND, M_MISSING_PARAM, M_BAD_JSON
 */
export function setRuleEnabled(
  changes: PushRuleChanges,
  kind: RuleKind,
  ruleId: string,
  body: JsonValue,
): PushRuleChanges {
  const enabled = bodyMember(body, 'enabled')
  if (typeof enabled !== 'boolean') throw badJson('enabled must be true or false')
  return changeRule(changes, kind, ruleId, { enabled })
}

/**
 * Sets the actions of one of the user's own rules or a predefined one, from the `actions` of the request's body.
 *
 * @throws MatrixError M_NOT_FOUND, M_MISSING_PARAM, M_BAD_JSON, M_INVALID_PARAM, M_TOO_LARGE
 */
export function setRuleActions(
  changes: PushRuleChanges,
  kind: RuleKind,
  ruleId: string,
  body: JsonValue,
): PushRuleChanges {
  return changeRule(changes, kind, ruleId, { actions: parseActions(bodyMember(body, 'actions')) })
}

function changeRule(
  changes: PushRuleChanges,
  kind: RuleKind,
  ruleId: string,
  change: { enabled: boolean } | { actions: readonly PushAction[] },
): PushRuleChanges {
  if (PREDEFINED[kind].some((rule) => rule.rule_id === ruleId)) {
    const earlier = changes.predefined.find((other) => other.rule_id === ruleId)
    const others = changes.predefined.filter((other) => other.rule_id !== ruleId)
    return { ...changes, predefined: [...others, { ...earlier, ...change, rule_id: ruleId }] }
  }
  getRule(changes.rules, kind, ruleId)
  const rules = changes.rules[kind].map((rule) => (rule.rule_id === ruleId ? { ...rule, ...change } : rule))
  return withRules(changes, kind, rules)
}

/** Which ids are predefined does not depend on the user. */
const PREDEFINED = defaultRules('')

/**
 * The index for a rule among the others. "If both `after` and `before` are provided, the new or updated rule must be
 * the next most important rule with respect to the rule identified by `before`."
 */
function placeOf(
  others: readonly PushRule[],
  place: { readonly before?: string | undefined; readonly after?: string | undefined },
  otherwise: number,
): number {
  const relative = place.before ?? place.after
  if (relative === undefined) return otherwise
  const index = others.findIndex((rule) => rule.rule_id === relative)
  if (index === -1) throw new MatrixError('M_UNKNOWN', `before/after rule not found: ${relative}`, { status: 400 })
  return place.before === undefined ? index + 1 : index
}

function withRules(changes: PushRuleChanges, kind: RuleKind, rules: readonly PushRule[]): PushRuleChanges {
  return { ...changes, rules: { ...changes.rules, [kind]: rules } }
}

function withChange(rule: PushRule, predefined: readonly PredefinedChange[]): PushRule {
  const change = predefined.find((other) => other.rule_id === rule.rule_id)
  return change === undefined ? rule : { ...rule, ...change }
}

/** How many rules of their own a user has. */
export function countRules(changes: PushRuleChanges): number {
  return RULE_KINDS.reduce((count, kind) => count + changes.rules[kind].length, 0)
}

function bodyMember(body: JsonValue, key: string): JsonValue {
  if (!isJsonObject(body)) throw badJson('The body must be an object')
  const value = (body as JsonObject)[key]
  if (!Object.hasOwn(body, key) || value === undefined) throw missingParam(`${key} is missing`)
  return value
}
