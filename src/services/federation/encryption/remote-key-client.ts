import { type DeviceId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { withDisplayName } from '#services/e2ee/key-queries.ts'
import type { RemoteAnswer, RemoteKeys, RemoteUserKeys } from '#services/e2ee/remote-keys.ts'
import { isSmall, remoteDeviceKeys, remoteSigningKey } from '#services/federation/encryption/remote-key-objects.ts'
import { inParallel } from '#services/federation/keys/in-parallel.ts'
import {
  type FederationClient,
  type FederationReply,
  failureText,
} from '#services/federation/transport/federation-client.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { RemoteDeviceList } from '#store/types/remote-devices.ts'
import type { UserNid } from '#store/types/users.ts'

/** Servers asked at the same time for one request. */
const SERVERS_AT_ONCE = 50
/** Users in one question to a server. */
const USERS_A_QUESTION = 1_000
/** Users looked up in one read. */
const USERS_A_READ = 500
const ANSWER_BYTES_MAX = 50 * 1024 * 1024

type Deps = {
  readonly store: Store
  readonly client: Pick<FederationClient, 'request'>
  /** A list of that server's is to be fetched. */
  readonly onStale: (server: ServerName) => void
}

type Answers<T> = { readonly users: Map<UserId, T>; readonly failures: Map<ServerName, JsonObject> }

/**
 * Looks up and claims keys of other servers' users: out of the copies that are kept of the lists of those who share a
 * room with whoever asks, and else by asking their servers, each at most once and all at the same time.
 */
export class RemoteKeyClient implements RemoteKeys {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  async query(
    wanted: ReadonlyMap<UserId, readonly DeviceId[]>,
    options: { readonly timeoutMs: number; readonly viewer: UserNid },
  ): Promise<RemoteAnswer<RemoteUserKeys>> {
    const answers: Answers<RemoteUserKeys> = { users: new Map(), failures: new Map() }
    const kept = await this.#kept(options.viewer, [...wanted.keys()])
    const unknown: UserId[] = []
    for (const [userId, deviceIds] of wanted) {
      const list = kept.get(userId)
      if (list === undefined) unknown.push(userId)
      else answers.users.set(userId, keysOf(list, deviceIds))
    }
    await this.#ask(unknown, answers, options.timeoutMs, async (server, userIds, timeoutMs) => {
      const body = { device_keys: Object.fromEntries(userIds.map((userId) => [userId, wanted.get(userId) ?? []])) }
      const reply = await this.#request(server, '/_matrix/federation/v1/user/keys/query', body, timeoutMs)
      if (reply.outcome !== 'answered' || !isJsonObject(reply.json)) return reply
      const json = reply.json
      const found = userIds.flatMap((userId): [UserId, RemoteUserKeys][] => {
        const keys = readUser(json, userId, wanted.get(userId) ?? [])
        return keys === null ? [] : [[userId, keys]]
      })
      for (const [userId, keys] of found) answers.users.set(userId, keys)
      await this.#keepFromNowOn(userIds)
      return null
    })
    return answers
  }

  async claim(
    wanted: ReadonlyMap<UserId, ReadonlyMap<DeviceId, string>>,
    options: { readonly timeoutMs: number },
  ): Promise<RemoteAnswer<JsonObject>> {
    const answers: Answers<JsonObject> = { users: new Map(), failures: new Map() }
    await this.#ask([...wanted.keys()], answers, options.timeoutMs, async (server, userIds, timeoutMs) => {
      const wishes = userIds.map((userId) => [userId, Object.fromEntries(wanted.get(userId) ?? [])])
      const body = { one_time_keys: Object.fromEntries(wishes) }
      const reply = await this.#request(server, '/_matrix/federation/v1/user/keys/claim', body, timeoutMs)
      if (reply.outcome !== 'answered' || !isJsonObject(reply.json)) return reply
      const given = member(reply.json, 'one_time_keys')
      for (const userId of userIds) {
        const devices = isJsonObject(given) ? member(given, userId) : undefined
        const keys = isJsonObject(devices) ? claimedKeys(devices, wanted.get(userId) ?? new Map()) : []
        if (keys.length > 0) answers.users.set(userId, Object.fromEntries(keys))
      }
      return null
    })
    return answers
  }

  /**
   * The copies that may be used: "whole", and of those alone who share a room with the viewer (S34). Of others the copy
   * would tell the viewer whom somebody else here meets.
   */
  async #kept(viewer: UserNid, userIds: readonly UserId[]): Promise<Map<UserId, RemoteDeviceList>> {
    const found = new Map<UserId, RemoteDeviceList>()
    for (let start = 0; start < userIds.length; start += USERS_A_READ) {
      await this.#deps.store.read(async (tx) => {
        const nids = new Map<UserNid, UserId>()
        for (const userId of userIds.slice(start, start + USERS_A_READ)) {
          const nid = await tx.users.nid(userId)
          if (nid !== null) nids.set(nid, userId)
        }
        const sharing = await tx.sharing.withUser(viewer, [...nids.keys()])
        for (const [nid, list] of await tx.remoteDevices.lists(sharing)) {
          if (!list.isStale) found.set(nids.get(nid)!, list)
        }
      })
    }
    return found
  }

  /** Begins to keep the lists of those who share a room with somebody here: they will be asked for again. */
  async #keepFromNowOn(userIds: readonly UserId[]): Promise<void> {
    const { store, onStale } = this.#deps
    const toBegin = await store.read((tx) => notKept(tx, userIds))
    const [first] = toBegin
    if (first === undefined) return
    await store.write(async (tx) => {
      for (const { nid, userId } of await notKept(
        tx,
        toBegin.map(({ userId }) => userId),
      )) {
        await tx.remoteDevices.markStale(nid, userId)
      }
    })
    onStale(serverOf(first.userId))
  }

  async #ask<T>(
    userIds: readonly UserId[],
    { failures }: Answers<T>,
    timeoutMs: number,
    question: (server: ServerName, users: readonly UserId[], timeoutMs: number) => Promise<FederationReply | null>,
  ): Promise<void> {
    const byServer = Map.groupBy(userIds, serverOf)
    await inParallel(byServer, SERVERS_AT_ONCE, async ([server, users]) => {
      for (let start = 0; start < users.length && !failures.has(server); start += USERS_A_QUESTION) {
        const failure = await question(server, users.slice(start, start + USERS_A_QUESTION), timeoutMs)
        if (failure !== null) failures.set(server, failureOf(failure))
      }
    })
  }

  #request(destination: ServerName, uri: string, body: JsonObject, timeoutMs: number): Promise<FederationReply> {
    return this.#deps.client.request({
      destination,
      method: 'POST',
      uri,
      body,
      timeoutMs,
      bytesMax: ANSWER_BYTES_MAX,
    })
  }
}

/** Those who share a room with somebody here, and whose lists aren't kept. */
async function notKept(tx: ReadTx, userIds: readonly UserId[]): Promise<{ nid: UserNid; userId: UserId }[]> {
  const nids = new Map<UserNid, UserId>()
  for (const userId of userIds) {
    const nid = await tx.users.nid(userId)
    if (nid !== null) nids.set(nid, userId)
  }
  const shared = await tx.sharing.withAnyone([...nids.keys()])
  const kept = await tx.remoteDevices.lists(shared)
  return shared.filter((nid) => !kept.has(nid)).map((nid) => ({ nid, userId: nids.get(nid)! }))
}

/** "If any remote homeservers could not be reached, they are recorded here." */
function failureOf(reply: FederationReply): JsonObject {
  if (reply.outcome === 'answered') return { errcode: 'M_BAD_JSON', error: 'The answer is not what was asked for' }
  if (reply.outcome === 'refused') return { errcode: reply.errcode ?? 'M_UNKNOWN', error: failureText(reply) }
  return { errcode: 'M_CONNECTION_FAILED', error: failureText(reply) }
}

function keysOf({ devices, master, selfSigning }: RemoteDeviceList, wanted: readonly DeviceId[]): RemoteUserKeys {
  const shown = new Map<DeviceId, JsonObject>()
  for (const { deviceId, keys, displayName } of devices) {
    if (keys === null || (wanted.length > 0 && !wanted.includes(deviceId))) continue
    shown.set(deviceId, withDisplayName(withoutUnsigned(keys), displayName))
  }
  return { devices: shown, masterKey: master, selfSigningKey: selfSigning }
}

function withoutUnsigned(keys: JsonObject): JsonObject {
  const { unsigned: _, ...rest } = keys
  return rest
}

/** What an answer to `/user/keys/query` says of a user; null for nothing. */
function readUser(json: JsonObject, userId: UserId, wanted: readonly DeviceId[]): RemoteUserKeys | null {
  const of = (part: string): JsonValue | undefined => {
    const users = member(json, part)
    return isJsonObject(users) ? member(users, userId) : undefined
  }
  const devices = new Map<DeviceId, JsonObject>()
  const given = of('device_keys')
  for (const [deviceId, value] of isJsonObject(given) ? Object.entries(given) : []) {
    const keys = remoteDeviceKeys(value, userId, deviceId)
    if (keys === null || (wanted.length > 0 && !wanted.includes(deviceId as DeviceId))) continue
    devices.set(deviceId as DeviceId, keys)
  }
  const masterKey = remoteSigningKey(of('master_keys'), userId, 'master')
  const selfSigningKey = remoteSigningKey(of('self_signing_keys'), userId, 'self_signing')
  return !isJsonObject(given) && masterKey === null && selfSigningKey === null
    ? null
    : { devices, masterKey, selfSigningKey }
}

/** Of the keys that were given, one for each device that was asked for. */
function claimedKeys(devices: JsonObject, wanted: ReadonlyMap<DeviceId, string>): [string, JsonObject][] {
  return Object.entries(devices).flatMap(([deviceId, keys]): [string, JsonObject][] => {
    const algorithm = wanted.get(deviceId as DeviceId)
    if (algorithm === undefined || !isJsonObject(keys) || !isSmall(keys)) return []
    const [named] = Object.entries(keys).filter(([keyId]) => keyId.startsWith(`${algorithm}:`))
    return named === undefined ? [] : [[deviceId, Object.fromEntries([named])]]
  })
}
