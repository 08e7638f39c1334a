/** The values that JSON can hold, as Hearth keeps them in memory. */

/**
 * A number that a JavaScript number can't hold without loss, or that strict canonical JSON forbids (`1.0`, `1e3`, `-0`,
 * integers past 2^53): `JSON.rawJSON(text)`, which `JSON.stringify` writes back letter for letter. Only room versions
 * 1–5 may hold one. `JSON.isRawJSON` recognises it.
 */
export type RawNumber = { readonly rawJSON: string }

export type JsonValue = null | boolean | number | string | RawNumber | JsonArray | JsonObject
export type JsonArray = readonly JsonValue[]
/** Always made by a parser or a literal, never by assignment to computed keys: `__proto__` must stay an own key. */
export type JsonObject = { readonly [key: string]: JsonValue }

/** True for a JSON object; false for arrays, null and raw numbers. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !JSON.isRawJSON(value)
}

/** The own member of an object, so that `constructor` or `toString` in user-keyed maps is absent. */
export function member(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined
}
