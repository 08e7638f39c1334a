/** The query of a URL, read by the types that an endpoint declares. Nothing is guessed: `limit=1e2` is refused. */
import type { TProperties, TSchema } from 'typebox'
import { invalidParam } from '#core/matrix-error.ts'

/** Keys in one query; more are refused before they cost memory. */
const KEYS_MAX = 1000

/** Key → values in the order they came. */
export type RawQuery = ReadonlyMap<string, readonly string[]>

const INTEGER = /^(?:0|-?[1-9][0-9]{0,15})$/
const NUMBER = /^-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,20})?$/

/** Splits and decodes `a=1&b=x%20y` (`application/x-www-form-urlencoded`). Throws `M_INVALID_PARAM` on bad escapes. */
export function parseQueryString(text: string): RawQuery {
  const found = new Map<string, string[]>()
  if (text === '') return found
  const pairs = text.split('&')
  if (pairs.length > KEYS_MAX) throw invalidParam('The query has too many keys')
  for (const pair of pairs) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const key = decode(equals < 0 ? pair : pair.slice(0, equals))
    const value = equals < 0 ? '' : decode(pair.slice(equals + 1))
    const values = found.get(key)
    if (values === undefined) found.set(key, [value])
    else values.push(value)
  }
  return found
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw invalidParam('The query holds a bad percent-escape')
  }
}

/** The declared keys, as the values of their types; undeclared keys are left out. The schema is checked afterwards. */
export function readFields(raw: RawQuery, fields: TProperties): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const key of Object.keys(fields)) {
    const values = raw.get(key)
    if (values !== undefined) result[key] = readField(key, values, fields[key]!)
  }
  return result
}

function readField(key: string, values: readonly string[], schema: TSchema): unknown {
  const { type, items } = schema as { type?: string; items?: TSchema }
  if (type === 'array') return values.map((value) => readValue(key, value, items as TSchema))
  if (values.length > 1) throw invalidParam(`The query has '${key}' more than once`)
  return readValue(key, values[0]!, schema)
}

function readValue(key: string, text: string, schema: TSchema): unknown {
  switch ((schema as { type?: string }).type) {
    case 'integer':
      if (!INTEGER.test(text)) throw invalidParam(`'${key}' must be an integer`)
      return Number(text)
    case 'number':
      if (!NUMBER.test(text)) throw invalidParam(`'${key}' must be a number`)
      return Number(text)
    case 'boolean':
      if (text !== 'true' && text !== 'false') throw invalidParam(`'${key}' must be true or false`)
      return text === 'true'
    default:
      return text
  }
}
