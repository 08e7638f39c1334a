import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { badJson } from '#core/matrix-error.ts'

/** @throws MatrixError M_BAD_JSON */
export function asFilterObject(value: JsonValue, name: string): JsonObject {
  if (!isJsonObject(value)) throw badJson(`${name} must be an object`)
  return value
}

/** A member that is a boolean, or null if it is absent. @throws MatrixError M_BAD_JSON */
export function optionalBoolean(json: JsonObject, key: string): boolean | null {
  const value = member(json, key)
  if (value === undefined) return null
  if (typeof value !== 'boolean') throw badJson(`${key} must be true or false`)
  return value
}

/**
 * A member that is a list of strings, or null if it is absent.
 *
 * @param sigil What each string must start with: `@` for users, `!` for rooms.
 * @throws MatrixError M_BAD_JSON
 */
export function optionalList(json: JsonObject, key: string, sigil = ''): readonly string[] | null {
  const value = member(json, key)
  if (value === undefined) return null
  if (!Array.isArray(value)) throw badJson(`${key} must be a list`)
  const list = value as readonly JsonValue[]
  return list.map((item) => {
    if (typeof item !== 'string') throw badJson(`${key} must be a list of strings`)
    if (!item.startsWith(sigil)) throw badJson(`${key} holds something that doesn't start with ${sigil}`)
    return item
  })
}
