import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { badJson, invalidParam, missingParam, tooLarge } from '#core/matrix-error.ts'
import { isScalar, type PushAction, type PushRule, type RuleKind } from '#core/push/push-rule.ts'

export const RULE_ID_BYTES_MAX = 255
/** Longer patterns would make each message dear to evaluate; no identifier or event type is longer. */
export const PATTERN_BYTES_MAX = 255
/** One rule as JSON, in UTF-16 code units. */
export const RULE_LENGTH_MAX = 16_384
export const CONDITIONS_MAX = 32
export const ACTIONS_MAX = 32

/**
 * A user-defined rule from the path and body of `PUT /pushrules/global/{kind}/{ruleId}`, enabled, as "when creating
 * push rules, they MUST be enabled by default". Members that don't belong to the kind are dropped.
 *
 * @throws MatrixError M_INVALID_PARAM, M_MISSING_PARAM, M_BAD_JSON or M_TOO_LARGE
 */
export function parseRule(kind: RuleKind, ruleId: string, body: JsonValue): PushRule {
  checkNewRuleId(ruleId)
  if (!isJsonObject(body)) throw badJson('A push rule must be an object')
  const rule: PushRule = {
    rule_id: ruleId,
    default: false,
    enabled: true,
    actions: parseActions(member(body, 'actions')),
    ...(kind === 'content' && { pattern: parsePattern(body, 'The rule') }),
    ...((kind === 'override' || kind === 'underride') && { conditions: parseConditions(member(body, 'conditions')) }),
  }
  if (JSON.stringify(rule).length > RULE_LENGTH_MAX) throw tooLarge('The push rule is too long')
  return rule
}

/**
 * The `actions` of a request. "Clients and homeservers MUST ignore" the historical `dont_notify` and `coalesce`.
 *
 * @throws MatrixError M_MISSING_PARAM, M_BAD_JSON, M_INVALID_PARAM or M_TOO_LARGE
 */
export function parseActions(value: JsonValue | undefined): readonly PushAction[] {
  if (value === undefined) throw missingParam('actions is missing')
  if (!Array.isArray(value)) throw badJson('actions must be a list')
  const list = value as readonly JsonValue[]
  if (list.length > ACTIONS_MAX) throw tooLarge(`A push rule may have at most ${ACTIONS_MAX} actions`)
  const actions = list.map(parseAction)
  if (JSON.stringify(actions).length > RULE_LENGTH_MAX) throw tooLarge('The actions are too long')
  return actions
}

function parseAction(action: JsonValue): PushAction {
  if (action === 'notify' || action === 'dont_notify' || action === 'coalesce') return action
  if (typeof action === 'string') throw invalidParam('Unknown push action')
  if (!isJsonObject(action)) throw badJson('A push action must be a string or an object')
  if (typeof member(action, 'set_tweak') !== 'string') throw invalidParam('A push action needs set_tweak')
  return action
}

/** "If the string starts with a dot, the request MUST be rejected … Slashes and backslashes are also not allowed." */
function checkNewRuleId(ruleId: string): void {
  if (ruleId === '') throw invalidParam('The rule id is empty')
  if (ruleId.startsWith('.')) throw invalidParam('Rule ids that start with a dot are reserved for predefined rules')
  if (/[/\\]/.test(ruleId)) throw invalidParam('A rule id may not hold slashes or backslashes')
  if (bytes(ruleId) > RULE_ID_BYTES_MAX) throw invalidParam(`A rule id may have at most ${RULE_ID_BYTES_MAX} bytes`)
}

function parseConditions(value: JsonValue | undefined): readonly JsonObject[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw badJson('conditions must be a list')
  const list = value as readonly JsonValue[]
  if (list.length > CONDITIONS_MAX) throw tooLarge(`A push rule may have at most ${CONDITIONS_MAX} conditions`)
  return list.map(parseCondition)
}

/** Conditions of unknown kinds are kept as they are: a later client may know them. */
function parseCondition(condition: JsonValue): JsonObject {
  if (!isJsonObject(condition)) throw badJson('A push condition must be an object')
  const kind = stringMember(condition, 'kind', 'A push condition')
  const name = `The condition ${kind}`
  switch (kind) {
    case 'event_match':
      stringMember(condition, 'key', name)
      parsePattern(condition, name)
      break
    case 'event_property_is':
    case 'event_property_contains':
      stringMember(condition, 'key', name)
      if (!isScalar(required(condition, 'value', name))) throw badJson(`${name} has a value that can't be compared`)
      break
    case 'sender_notification_permission':
      stringMember(condition, 'key', name)
      break
    case 'room_member_count':
      stringMember(condition, 'is', name)
      break
  }
  return condition
}

function parsePattern(object: JsonObject, name: string): string {
  const pattern = stringMember(object, 'pattern', name)
  if (bytes(pattern) > PATTERN_BYTES_MAX) throw tooLarge(`A pattern may have at most ${PATTERN_BYTES_MAX} bytes`)
  return pattern
}

function stringMember(object: JsonObject, key: string, name: string): string {
  const value = required(object, key, name)
  if (typeof value !== 'string') throw badJson(`${name} has a ${key} that is not a string`)
  return value
}

function required(object: JsonObject, key: string, name: string): JsonValue {
  const value = member(object, key)
  if (value === undefined) throw missingParam(`${name} lacks ${key}`)
  return value
}

function bytes(text: string): number {
  return Buffer.byteLength(text)
}
