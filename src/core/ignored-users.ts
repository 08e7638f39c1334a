import { isJsonObject, type JsonObject, member } from '#core/json/value.ts'

/** The users whom the content of the account data `m.ignored_user_list` names (specification, "Ignoring Users"). */
export function ignoredUsers(content: JsonObject | null): ReadonlySet<string> {
  const users = content === null ? undefined : member(content, 'ignored_users')
  return new Set(isJsonObject(users) ? Object.keys(users) : [])
}
