/** Profiles of any server's users, for users of this one. */
import { type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { MatrixError, notFound } from '#core/matrix-error.ts'
import { ExpiringCache } from '#services/federation/discovery/expiring-cache.ts'
import { remoteError } from '#services/federation/remote-error.ts'
import type { FederationClient } from '#services/federation/transport/federation-client.ts'
import { checkFieldName } from '#services/profiles/profile-field.ts'
import type { Profiles } from '#services/profiles/profiles.ts'

type Deps = {
  readonly client: Pick<FederationClient, 'request'>
  readonly profiles: Profiles
  readonly serverName: ServerName
  readonly clock: () => number
}

/** How long a profile is shown without asking again, and how long a refusal stands. */
const HELD_MS = 5 * 60_000
const REFUSED_HELD_MS = 60_000
const CACHED_MAX = 5_000
const TIMEOUT_MS = 10_000
/** A profile is under 64 KiB; JSON may be written more widely. */
const ANSWER_BYTES_MAX = 256 * 1024

export class RemoteProfiles {
  readonly #deps: Deps
  readonly #held: ExpiringCache<JsonObject | MatrixError>

  constructor(deps: Deps) {
    this.#deps = deps
    this.#held = new ExpiringCache(CACHED_MAX, deps.clock)
  }

  /** All fields. @throws M_NOT_FOUND, M_FORBIDDEN; 502 where the user's server can't be asked */
  async get(userId: UserId): Promise<JsonObject> {
    const { profiles, serverName, clock } = this.#deps
    if (serverOf(userId) === serverName) return profiles.get(userId)
    const profile = await this.#held.get(userId, async () => {
      const value = await this.#ask(userId)
      return { value, untilTs: clock() + (value instanceof MatrixError ? REFUSED_HELD_MS : HELD_MS) }
    })
    if (profile instanceof MatrixError) throw profile
    return profile
  }

  /** @throws as `get`; M_INVALID_PARAM */
  async getField(userId: UserId, name: string): Promise<JsonValue> {
    const { profiles, serverName } = this.#deps
    if (serverOf(userId) === serverName) return profiles.getField(userId, name)
    checkFieldName(name)
    const value = member(await this.get(userId), name)
    if (value === undefined) throw notFound('The profile has no such field')
    return value
  }

  async #ask(userId: UserId): Promise<JsonObject | MatrixError> {
    const destination = serverOf(userId)
    const uri = `/_matrix/federation/v1/query/profile?user_id=${encodeURIComponent(userId)}`
    const reply = await this.#deps.client.request({
      destination,
      method: 'GET',
      uri,
      timeoutMs: TIMEOUT_MS,
      bytesMax: ANSWER_BYTES_MAX,
    })
    if (reply.outcome !== 'answered') return remoteError(destination, reply)
    return isJsonObject(reply.json) ? usable(reply.json) : notFound('No profile of this user is known')
  }
}

/** "MUST either be omitted or set to `null`": both mean unset. Names and avatars that aren't text are none. */
function usable(profile: JsonObject): JsonObject {
  const fields = Object.entries(profile).filter(([name, value]) => {
    if (name === 'displayname' || name === 'avatar_url') return typeof value === 'string'
    return value !== null
  })
  return Object.fromEntries(fields)
}
