import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { badJson, MatrixError, missingParam } from '#core/matrix-error.ts'

/**
 * The user whom `identifier`, or the older `user`, names; null where there is neither.
 * @throws MatrixError M_BAD_JSON, M_MISSING_PARAM, M_UNKNOWN
 */
export function typedName(login: JsonObject): string | null {
  const identifier = member(login, 'identifier')
  const user = identifier === undefined ? member(login, 'user') : userOf(identifier)
  if (user === undefined) return null
  if (typeof user !== 'string') throw badJson('The name of the user must be a string')
  return user
}

function userOf(identifier: JsonValue): JsonValue {
  if (!isJsonObject(identifier)) throw badJson("'identifier' must be an object")
  const type = member(identifier, 'type')
  if (type === undefined) throw missingParam("'identifier.type' is missing")
  if (type !== 'm.id.user') throw new MatrixError('M_UNKNOWN', 'Unknown type of identifier', { status: 400 })
  const user = member(identifier, 'user')
  if (user === undefined) throw missingParam("'identifier.user' is missing")
  return user
}
