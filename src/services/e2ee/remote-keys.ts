import { type DeviceId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { UserNid } from '#store/types/users.ts'

/** The keys of another server's user. */
export type RemoteUserKeys = {
  /** With `unsigned` as it is to be shown. */
  readonly devices: ReadonlyMap<DeviceId, JsonObject>
  readonly masterKey: JsonObject | null
  readonly selfSigningKey: JsonObject | null
}

/** An answer of several servers, some of which couldn't be reached: `failures` says which and why, as clients see it. */
export type RemoteAnswer<T> = {
  readonly users: ReadonlyMap<UserId, T>
  readonly failures: ReadonlyMap<ServerName, JsonObject>
}

/** Asks other servers for their users' keys. Users who don't exist, or have none, are absent from the answer. */
export interface RemoteKeys {
  /**
   * @param wanted device ids of each user; none for all of them
   * @param options on whose behalf: what is known of users with whom they share no room is not for them (S34)
   */
  query(
    wanted: ReadonlyMap<UserId, readonly DeviceId[]>,
    options: { readonly timeoutMs: number; readonly viewer: UserNid },
  ): Promise<RemoteAnswer<RemoteUserKeys>>
  /** @param wanted the algorithm for each device. The answer: `{[deviceId]: {[algorithm:keyId]: key}}` for each user */
  claim(
    wanted: ReadonlyMap<UserId, ReadonlyMap<DeviceId, string>>,
    options: { readonly timeoutMs: number },
  ): Promise<RemoteAnswer<JsonObject>>
}

/** For as long as nobody can ask other servers: every one of them fails. */
export const NO_REMOTE_KEYS: RemoteKeys = {
  query: async (wanted) => ({ users: new Map(), failures: unreachable(wanted.keys()) }),
  claim: async (wanted) => ({ users: new Map(), failures: unreachable(wanted.keys()) }),
}

function unreachable(users: Iterable<UserId>): Map<ServerName, JsonObject> {
  const failure = { errcode: 'M_CONNECTION_FAILED', error: 'Other servers can not be asked' }
  return new Map([...users].map((userId) => [serverOf(userId), failure]))
}
