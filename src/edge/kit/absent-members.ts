/**
 * Clients whose language has no absent members write `null` for what they leave out (`"reason": null`), and other
 * servers take it. NOTSPEC: the specification doesn't say that a member which may be left out may be null as well.
 */
import type { TSchema } from 'typebox'
import { Check } from 'typebox/value'
import { isJsonObject, type JsonValue } from '#core/json/value.ts'

/** What the functions here read of a schema. */
type Shape = TSchema & {
  readonly type?: string
  readonly properties?: Readonly<Record<string, TSchema>>
  readonly required?: readonly string[]
  readonly items?: TSchema
}

type Rule = (value: JsonValue) => JsonValue

/**
 * Makes what leaves out the members that are null, that may be absent, and for which null isn't a value of its own.
 * A number that was kept by its text becomes a plain one where an object belongs, so that it doesn't pass for one.
 */
export function absentWhereNull(schema: TSchema): Rule {
  return ruleOf(schema) ?? ((value) => value)
}

/** @returns null where all is taken as it came */
function ruleOf({ type, properties = {}, required = [], items }: Shape): Rule | null {
  if (type === 'object') return ruleOfObject(properties, required)
  const each = items === undefined ? null : ruleOf(items)
  return each && ((value) => (Array.isArray(value) ? value.map(each) : value))
}

function ruleOfObject(properties: Readonly<Record<string, TSchema>>, required: readonly string[]): Rule {
  const names = Object.keys(properties)
  const optional = new Set(names.filter((name) => !required.includes(name) && !Check(properties[name]!, null)))
  const below = new Map<string, Rule>()
  for (const name of names) {
    const rule = ruleOf(properties[name]!)
    if (rule !== null) below.set(name, rule)
  }
  return (value) => {
    if (JSON.isRawJSON(value)) return Number(value.rawJSON)
    if (!isJsonObject(value) || names.length === 0) return value
    return Object.fromEntries(
      Object.entries(value)
        .filter(([name, member]) => member !== null || !optional.has(name))
        .map(([name, member]) => [name, below.get(name)?.(member) ?? member]),
    )
  }
}
