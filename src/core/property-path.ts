import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'

/**
 * The property names in a dot-separated property path (specification appendices, "Dot-separated property paths"):
 * `content.m\.relates_to` → `['content', 'm.relates_to']`. "Other escape sequences are left as-is."
 */
export function parsePropertyPath(path: string): readonly string[] {
  const names: string[] = []
  let name = ''
  for (let i = 0; i < path.length; i++) {
    const char = path[i]
    const next = path[i + 1]
    if (char === '\\' && (next === '.' || next === '\\')) {
      name += next
      i++
    } else if (char === '.') {
      names.push(name)
      name = ''
    } else {
      name += char
    }
  }
  names.push(name)
  return names
}

/** The value at a path, or undefined where a name is absent or something other than an object is in the way. */
export function propertyAt(object: JsonObject, names: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = object
  for (const name of names) {
    if (!isJsonObject(value)) return undefined
    value = member(value, name)
  }
  return value
}
