import type { JsonValue } from '#core/json/value.ts'
import { badJson, invalidParam, MatrixError } from '#core/matrix-error.ts'

/** "The total profile MUST be under 64 KiB", as JSON in bytes of UTF-8. */
export const PROFILE_BYTES_MAX = 65_536
export const FIELD_NAME_BYTES_MAX = 255
/** In UTF-16 code units. */
export const DISPLAY_NAME_LENGTH_MAX = 256
export const AVATAR_URL_LENGTH_MAX = 1_000

const FIELD_NAME = /^(?:avatar_url|displayname|m\.tz|[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+)$/

/**
 * The field that a path names: one that the specification knows, or one of the Common Namespaced Identifier Grammar.
 * @throws MatrixError M_KEY_TOO_LARGE, M_INVALID_PARAM
 */
export function checkFieldName(name: string): void {
  if (Buffer.byteLength(name) > FIELD_NAME_BYTES_MAX) {
    throw new MatrixError('M_KEY_TOO_LARGE', `The name of a field may have at most ${FIELD_NAME_BYTES_MAX} bytes`)
  }
  if (!FIELD_NAME.test(name)) throw invalidParam('That is no name for a profile field')
}

/**
 * The value to store; `undefined` deletes the field. An empty name or avatar is none, as clients have always meant it.
 * @throws MatrixError M_BAD_JSON, M_INVALID_PARAM
 */
export function checkFieldValue(name: string, value: JsonValue): JsonValue | undefined {
  if (name !== 'displayname' && name !== 'avatar_url' && name !== 'm.tz') return value
  if (typeof value !== 'string') throw badJson(`'${name}' must be a string`)
  if (value === '') return undefined
  if (!value.isWellFormed() || value.includes('\0')) throw invalidParam(`'${name}' holds characters that it may not`)
  if (name === 'displayname' && value.length > DISPLAY_NAME_LENGTH_MAX) {
    throw invalidParam(`A display name may have at most ${DISPLAY_NAME_LENGTH_MAX} characters`)
  }
  // NOTSPEC: an avatar is an mxc address in the specification; servers take any text, and clients and bots set others.
  if (name === 'avatar_url') checkAvatarUrl(value)
  return value
}

function checkAvatarUrl(value: string): void {
  if (value.length > AVATAR_URL_LENGTH_MAX) {
    throw invalidParam(`An avatar address may have at most ${AVATAR_URL_LENGTH_MAX} characters`)
  }
}

/** @throws MatrixError M_PROFILE_TOO_LARGE */
export function checkProfileSize(fields: ReadonlyMap<string, JsonValue>): void {
  if (Buffer.byteLength(JSON.stringify(Object.fromEntries(fields))) < PROFILE_BYTES_MAX) return
  throw new MatrixError('M_PROFILE_TOO_LARGE', `A profile must be under ${PROFILE_BYTES_MAX} bytes`)
}
