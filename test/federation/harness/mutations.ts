/** A good JSON object with one thing wrong: each value in it, at any depth, replaced by each bad one, or left out. */
import { EVENT_DEPTH_MAX, parseJsonText } from '#core/json/parse.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '#core/json/value.ts'
import { BAD_JSON } from '#test/system/harness/bad-values.ts'

const MARK = '\u0001bad\u0001'
/** How deep an object is taken apart. */
const DEPTH_MAX = 5

export type Mutation = {
  /** Where, and what. */
  readonly name: string
  readonly text: string
  /** What a reader makes of the text; null where that is no JSON object. */
  readonly json: JsonObject | null
}

export function mutations(good: JsonObject, values: readonly string[] = BAD_JSON): Mutation[] {
  const made: Mutation[] = []
  const add = (at: readonly string[], what: string, text: string) => {
    made.push({ name: `${at.join('.')}: ${what.slice(0, 40)}`, text, json: read(text) })
  }
  for (const at of places(good, 0)) {
    add(at, 'missing', JSON.stringify(replaced(good, at, undefined)))
    const marked = JSON.stringify(replaced(good, at, MARK))
    for (const value of values)
      add(
        at,
        value,
        marked.replace(JSON.stringify(MARK), () => value),
      )
  }
  return made
}

function places(value: JsonValue, depth: number): string[][] {
  if (typeof value !== 'object' || value === null || depth > DEPTH_MAX) return []
  return Object.entries(value).flatMap(([key, inner]) => [
    [key],
    ...places(inner as JsonValue, depth + 1).map((at) => [key, ...at]),
  ])
}

function replaced(value: JsonValue, [key, ...rest]: readonly string[], by: string | undefined): JsonValue {
  if (key === undefined) return value
  const inner = (value as Record<string, JsonValue>)[key] as JsonValue
  const next = rest.length === 0 ? by : replaced(inner, rest, by)
  if (Array.isArray(value))
    return value.flatMap((item, i) => (String(i) !== key ? [item] : next === undefined ? [] : [next]))
  const entries = Object.entries(value as JsonObject).flatMap(([name, one]) =>
    name === key ? [[name, next]] : [[name, one]],
  )
  return Object.fromEntries(entries.filter(([, one]) => one !== undefined)) as JsonObject
}

function read(text: string): JsonObject | null {
  try {
    const json = parseJsonText(text, { depthMax: EVENT_DEPTH_MAX, lossless: true })
    return isJsonObject(json) ? json : null
  } catch {
    return null
  }
}
