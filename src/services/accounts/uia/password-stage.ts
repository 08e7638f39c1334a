import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { badJson, missingParam } from '#core/matrix-error.ts'
import type { Passwords } from '#services/accounts/passwords.ts'
import type { StageOutcome, UiaStage } from '#services/accounts/uia/stage.ts'

const WRONG: StageOutcome = { completed: false, errcode: 'M_FORBIDDEN', error: 'Wrong user name or password' }

/**
 * `m.login.password`. The password must be the caller's own; without an access token it tells who the user is.
 * Finds `user`, the user id.
 */
export function passwordStage(passwords: Passwords): UiaStage {
  return {
    type: 'm.login.password',
    params: () => null,
    async attempt(auth, { caller }) {
      const password = member(auth, 'password')
      if (password === undefined) throw missingParam("'auth.password' is missing")
      if (typeof password !== 'string') throw badJson("'auth.password' must be a string")
      const name = typedName(auth) ?? caller?.userId
      if (name === undefined) throw missingParam("'auth.identifier' is missing")
      const account = await passwords.check(name, password)
      if (account === null || account.deactivatedTs !== null) return WRONG
      if (caller !== null && account.userId !== caller.userId) return WRONG
      return { completed: true, found: { user: account.userId } }
    },
  }
}

/**
 * The user whom `identifier`, or the older `user`, names; null where there is neither.
 * @throws MatrixError M_BAD_JSON
 */
export function typedName(auth: JsonObject): string | null {
  const identifier = member(auth, 'identifier')
  const user = identifier === undefined ? member(auth, 'user') : userOf(identifier)
  if (user === undefined) return null
  if (typeof user !== 'string') throw badJson('The name of the user must be a string')
  return user
}

function userOf(identifier: JsonValue): JsonValue {
  if (!isJsonObject(identifier)) throw badJson("'identifier' must be an object")
  const type = member(identifier, 'type')
  if (type === undefined) throw missingParam("'identifier.type' is missing")
  if (type !== 'm.id.user') throw badJson("Only identifiers of type 'm.id.user' are known here")
  const user = member(identifier, 'user')
  if (user === undefined) throw missingParam("'identifier.user' is missing")
  return user
}
