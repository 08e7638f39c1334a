import type { DeviceId, ServerName, UserId } from '#core/ids.ts'
import { isJsonObject, type JsonValue, member } from '#core/json/value.ts'
import { isDeviceIdText } from '#services/e2ee/to-device.ts'
import {
  remoteDeviceKeys,
  remoteDisplayName,
  remoteSigningKey,
} from '#services/federation/encryption/remote-key-objects.ts'
import type { RetrySettings } from '#services/federation/transport/back-off.ts'
import type { FederationClient, FederationReply } from '#services/federation/transport/federation-client.ts'
import type { Timers } from '#services/time/timers.ts'
import type { Store } from '#store/store.ts'
import type { RemoteDevice, RemoteDeviceList, StaleList } from '#store/types/remote-devices.ts'

const TIMEOUT_MS = 30_000
const ANSWER_BYTES_MAX = 10 * 1024 * 1024
/** Devices of one user that are kept. */
const DEVICES_MAX = 10_000
const LISTS_A_PAGE = 100
const SERVERS_A_PAGE = 1_000
/** Servers that are asked at the same time, each for one list at a time. */
const SERVERS_AT_ONCE = 20

type Deps = {
  readonly store: Store
  readonly client: Pick<FederationClient, 'request' | 'backOff'>
  /** Pauses after answers that are of no use: the first, doubling, and the longest. */
  readonly retry: RetrySettings
  readonly clock: () => number
  readonly timers: Timers
  readonly onError: (error: unknown) => void
}

type Fetched = Omit<RemoteDeviceList, 'isStale' | 'userNid'>
type Outcome = 'done' | 'failed' | 'away'

/**
 * Fetches device lists that are stale (`GET /user/devices/{userId}`), one after the other from each server, again and
 * again with growing pauses until it is done. Which are stale stands in the database, so that a restart goes on; however
 * often a list is marked, it is fetched once for all of it.
 */
export class RemoteListFetcher {
  readonly #deps: Deps
  readonly #stop = new AbortController()
  readonly #running = new Map<ServerName, Promise<void>>()
  /** Servers that wait for one of those that are being asked. */
  readonly #waiting = new Set<ServerName>()
  /** Servers with more to do than when the work at hand began. */
  readonly #again = new Set<ServerName>()
  readonly #pauses = new Map<ServerName, { readonly ms: number; readonly cancel: () => void }>()
  readonly #forgetReset: () => void

  constructor(deps: Deps) {
    this.#deps = deps
    this.#forgetReset = deps.client.backOff.onReset((server) => {
      if (this.#pauses.has(server) || this.#running.has(server)) this.wake(server)
    })
  }

  /** Takes up what an earlier process left to do. */
  async resume(): Promise<void> {
    for (let after: ServerName | undefined; ; ) {
      const last = after
      const servers = await this.#deps.store.read((tx) => tx.remoteDevices.staleServers(SERVERS_A_PAGE, last))
      for (const server of servers) this.wake(server)
      after = servers.at(-1)
      if (after === undefined || servers.length < SERVERS_A_PAGE) return
    }
  }

  /** Some list of the server's is stale, or the server can be reached again. */
  wake(server: ServerName): void {
    if (this.#stop.signal.aborted) return
    if (this.#running.has(server)) {
      this.#again.add(server)
      return
    }
    if (this.#running.size >= SERVERS_AT_ONCE) {
      this.#waiting.add(server)
      return
    }
    this.#pauses.get(server)?.cancel()
    const work = this.#fetchAll(server)
      .catch((error: unknown) => {
        this.#deps.onError(error)
        return false
      })
      .then((isDone) => this.#rest(server, isDone))
    this.#running.set(server, work)
  }

  /** Resolves when nothing is being fetched. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values())
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#forgetReset()
    for (const { cancel } of this.#pauses.values()) cancel()
    await this.idle()
  }

  #rest(server: ServerName, isDone: boolean): void {
    this.#running.delete(server)
    if (this.#stop.signal.aborted) return
    if (isDone) this.#pauses.delete(server)
    else this.#pause(server)
    if (this.#again.delete(server)) this.wake(server)
    const [next] = this.#waiting
    if (next === undefined) return
    this.#waiting.delete(next)
    this.wake(next)
  }

  #pause(server: ServerName): void {
    const { client, retry, clock, timers } = this.#deps
    const ms = Math.min((this.#pauses.get(server)?.ms ?? retry.baseMs / 2) * 2, retry.maxMs)
    const untilTs = client.backOff.pausedUntil(server)
    const cancel = timers.after(untilTs === null ? ms : untilTs - clock(), () => this.wake(server))
    this.#pauses.set(server, { ms, cancel })
  }

  /** False where some list is still to be fetched. */
  async #fetchAll(server: ServerName): Promise<boolean> {
    const { store } = this.#deps
    let isDone = true
    for (let after: StaleList | undefined; ; ) {
      const last = after?.userNid
      const lists = await store.read((tx) => tx.remoteDevices.staleLists(server, LISTS_A_PAGE, last))
      for (const list of lists) {
        const outcome = await this.#fetch(server, list)
        if (outcome === 'away') return false
        if (outcome === 'failed') isDone = false
      }
      after = lists.at(-1)
      if (lists.length < LISTS_A_PAGE) return isDone
    }
  }

  async #fetch(server: ServerName, { userNid, userId, marks }: StaleList): Promise<Outcome> {
    const { store, client } = this.#deps
    const reply = await client.request({
      destination: server,
      method: 'GET',
      uri: `/_matrix/federation/v1/user/devices/${encodeURIComponent(userId)}`,
      timeoutMs: TIMEOUT_MS,
      bytesMax: ANSWER_BYTES_MAX,
      signal: this.#stop.signal,
    })
    const isGone = reply.outcome === 'refused' && reply.status === 404
    const list = reply.outcome === 'answered' ? readList(reply.json, userId) : null
    if (list === null && !isGone) return isAway(reply) ? 'away' : 'failed'
    const isWhole = await store.write(async (tx) => {
      if (list === null) await tx.remoteDevices.forget(userNid)
      else if (!(await tx.remoteDevices.replace({ userNid, ...list }, marks))) return true
      // Also for the first time: since clients were given an answer by the user's server, it may have changed, and the
      // update that tells of it is in the list already when it comes.
      await tx.devices.recordListChange(userNid, null)
      return !(await tx.remoteDevices.lists([userNid])).get(userNid)?.isStale
    })
    if (!isWhole) this.#again.add(server)
    return 'done'
  }
}

/** Whether asking for another list would fare no better. */
function isAway(reply: FederationReply): boolean {
  return ['unreachable', 'timed out', 'backing off', 'busy', 'aborted'].includes(reply.outcome)
}

function readList(json: JsonValue, userId: UserId): Fetched | null {
  if (!isJsonObject(json) || member(json, 'user_id') !== userId) return null
  const streamId = member(json, 'stream_id')
  const devices = member(json, 'devices')
  if (!Number.isSafeInteger(streamId) || !Array.isArray(devices)) return null
  const read = devices.slice(0, DEVICES_MAX).flatMap((device: JsonValue) => readDevice(device, userId) ?? [])
  return {
    streamId: streamId as number,
    master: remoteSigningKey(member(json, 'master_key'), userId, 'master'),
    selfSigning: remoteSigningKey(member(json, 'self_signing_key'), userId, 'self_signing'),
    // No device may come twice.
    devices: [...new Map(read.map((device) => [device.deviceId, device])).values()],
  }
}

function readDevice(device: JsonValue, userId: UserId): RemoteDevice | null {
  const deviceId = isJsonObject(device) ? member(device, 'device_id') : undefined
  if (!isJsonObject(device) || typeof deviceId !== 'string' || !isDeviceIdText(deviceId)) return null
  return {
    deviceId: deviceId as DeviceId,
    keys: remoteDeviceKeys(member(device, 'keys'), userId, deviceId),
    displayName: remoteDisplayName(member(device, 'device_display_name')),
  }
}
