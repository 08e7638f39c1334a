import type { JsonObject, JsonValue } from '#core/json/value.ts'

/** The kinds of rule, "in the order that they are checked" (specification, "Push Rules"). */
export const RULE_KINDS = ['override', 'content', 'room', 'sender', 'underride'] as const
export type RuleKind = (typeof RULE_KINDS)[number]

/**
 * `"notify"`, or an object with `set_tweak` and perhaps `value`. The historical others mean nothing, and are kept: a
 * client that set them reads back what it wrote, as it does elsewhere.
 */
export type PushAction = 'notify' | 'dont_notify' | 'coalesce' | JsonObject

/** One rule as clients see it (definition PushRule). */
export type PushRule = {
  readonly rule_id: string
  /** True for the server's predefined rules. */
  readonly default: boolean
  readonly enabled: boolean
  readonly actions: readonly PushAction[]
  /** Of override and underride rules: all must hold. A kind of condition that we don't know never holds. */
  readonly conditions?: readonly JsonObject[]
  /** Of content rules. */
  readonly pattern?: string
}

/** All rules of an account, highest priority first in each kind (definition PushRuleset). */
export type Ruleset = { readonly [kind in RuleKind]: readonly PushRule[] }

export function isRuleKind(kind: string): kind is RuleKind {
  return (RULE_KINDS as readonly string[]).includes(kind)
}

/** What `event_property_is` and `event_property_contains` can compare: "non-compound canonical JSON values". */
export function isScalar(value: JsonValue | undefined): value is string | number | boolean | null {
  if (typeof value === 'number') return Number.isSafeInteger(value)
  return value === null || typeof value === 'string' || typeof value === 'boolean'
}
