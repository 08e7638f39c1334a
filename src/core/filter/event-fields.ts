import { optionalList } from '#core/filter/filter-members.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { badJson } from '#core/matrix-error.ts'
import { parsePropertyPath } from '#core/property-path.ts'

/** How many names a path in `event_fields` may have. */
export const FIELD_DEPTH_MAX = 32

/** The names that are wanted at one level: null for the whole value, otherwise what is wanted below. */
export type FieldSelection = ReadonlyMap<string, FieldSelection | null>
type GrowingSelection = Map<string, GrowingSelection | null>

/** `event_fields` of a filter; null if it is absent. @throws MatrixError M_BAD_JSON */
export function parseEventFields(json: JsonObject): FieldSelection | null {
  const fields = optionalList(json, 'event_fields')
  if (fields === null) return null
  const selection: GrowingSelection = new Map()
  for (const field of fields) add(selection, parsePropertyPath(field))
  return selection
}

function add(selection: GrowingSelection, names: readonly string[]): void {
  if (names.length > FIELD_DEPTH_MAX) throw badJson('event_fields holds too deep a path')
  let level = selection
  for (const [i, name] of names.entries()) {
    const below = level.get(name)
    if (below === null) return
    if (i === names.length - 1) {
      level.set(name, null)
      return
    }
    const next: GrowingSelection = below ?? new Map()
    level.set(name, next)
    level = next
  }
}

/** An event as a client gets it, with nothing but the wanted fields. */
export function selectFields(event: JsonObject, selection: FieldSelection | null): JsonObject {
  return selection === null ? event : pick(event, selection)
}

function pick(object: JsonObject, selection: FieldSelection): JsonObject {
  const kept: [string, JsonValue][] = []
  for (const [name, below] of selection) {
    const value = member(object, name)
    if (value === undefined) continue
    if (below === null) kept.push([name, value])
    else if (isJsonObject(value)) kept.push([name, pick(value, below)])
  }
  return Object.fromEntries(kept)
}
