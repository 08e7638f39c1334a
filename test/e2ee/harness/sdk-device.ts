/** A device on matrix-js-sdk with its Rust cryptography, everything in memory. */
import { randomBytes } from 'node:crypto'
import {
  ClientEvent,
  ConnectionError,
  Filter,
  type MatrixClient,
  type MatrixEvent,
  MatrixEventEvent,
  RoomEvent,
  RoomStateEvent,
} from 'matrix-js-sdk'
import { type CryptoApi, CryptoEvent } from 'matrix-js-sdk/lib/crypto-api/index.js'
import type { EncryptedDevice, Reading } from '#test/e2ee/harness/encrypted-device.ts'
import { Gate } from '#test/e2ee/harness/gate.ts'
import { News } from '#test/e2ee/harness/news.ts'
import { Api } from '#test/system/harness/api.ts'
import { loginWithSdk, startSdk } from '#test/system/harness/sdk-client.ts'

/** More events than any test has between two syncs, so that no timeline has a gap. */
const TIMELINE_EVENTS = 500

export class SdkDevice implements EncryptedDevice {
  readonly kind = 'js-sdk'
  readonly client: MatrixClient
  readonly api: Api
  readonly news = new News()
  /** Opens the user's secret storage. */
  readonly recoveryKey: Uint8Array<ArrayBuffer>
  readonly #gate: Gate
  readonly #readings = new Map<string, Reading>()
  #sent = 0

  private constructor(client: MatrixClient, gate: Gate, recoveryKey: Uint8Array<ArrayBuffer>) {
    this.client = client
    this.recoveryKey = recoveryKey
    this.#gate = gate
    this.api = new Api(client.getHomeserverUrl(), {
      access_token: client.getAccessToken()!,
      user_id: client.getUserId()!,
      device_id: client.getDeviceId()!,
    })
    client.on(RoomEvent.Timeline, (event) => this.#look(event))
    client.on(MatrixEventEvent.Decrypted, (event) => this.#look(event))
    client.on(RoomStateEvent.Events, () => this.news.tell())
    client.on(RoomEvent.MyMembership, () => this.news.tell())
    client.on(CryptoEvent.DevicesUpdated, () => this.news.tell())
    client.on(CryptoEvent.KeyBackupSessionsRemaining, () => this.news.tell())
    client.on(CryptoEvent.UserTrustStatusChanged, () => this.news.tell())
    client.on(ClientEvent.Sync, () => this.news.tell())
  }

  /** A new device of an account, syncing. */
  static async login(url: string, username: string, recoveryKey = newRecoveryKey()): Promise<SdkDevice> {
    const gate = new Gate()
    const cryptoCallbacks = {
      getSecretStorageKey: async ({ keys }: { keys: object }): Promise<[string, Uint8Array<ArrayBuffer>]> => [
        Object.keys(keys)[0]!,
        recoveryKey,
      ],
    }
    const client = await loginWithSdk(url, username, { fetchFn: gate.fetch, cryptoCallbacks })
    const device = new SdkDevice(client, gate, recoveryKey)
    try {
      await client.initRustCrypto({ useIndexedDB: false })
      const filter = new Filter(client.getUserId())
      filter.setTimelineLimit(TIMELINE_EVENTS)
      await startSdk(client, { initialSyncLimit: TIMELINE_EVENTS, filter })
    } catch (error) {
      await device[Symbol.asyncDispose]()
      throw error
    }
    return device
  }

  get userId(): string {
    return this.api.userId
  }
  get deviceId(): string {
    return this.api.deviceId
  }
  get crypto(): CryptoApi {
    return this.client.getCrypto()!
  }

  async send(roomId: string, text: string): Promise<string> {
    await this.news.until(`${this.deviceId} to know that ${roomId} is encrypted`, async () => {
      return this.client.getRoom(roomId) !== null && (await this.crypto.isEncryptionEnabledInRoom(roomId))
    })
    const transaction = `${this.deviceId}-${this.#sent++}`
    const room = this.client.getRoom(roomId)!
    let sending = this.client.sendTextMessage(roomId, text, transaction)
    for (;;) {
      try {
        return (await sending).event_id
      } catch (error) {
        // No answer came: what a user does is to press "try again".
        const event = room
          .getLiveTimeline()
          .getEvents()
          .findLast((some) => some.getTxnId() === transaction)
        if (!(error instanceof ConnectionError) || event === undefined) throw error
        await this.client.getVersions()
        sending = this.client.resendEvent(event, room)
      }
    }
  }

  reading(eventId: string): Reading | null {
    return this.#readings.get(eventId) ?? null
  }

  isInvited(roomId: string): boolean {
    return this.client.getRoom(roomId)?.getMyMembership() === 'invite'
  }

  membersOf(roomId: string): ReadonlySet<string> | null {
    const room = this.client.getRoom(roomId)
    if (room === null || room.getMyMembership() !== 'join') return null
    const members = room.getMembers().filter(({ membership }) => membership === 'join' || membership === 'invite')
    return new Set(members.map(({ userId }) => userId))
  }

  async devicesOf(userIds: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    const known = await this.crypto.getUserDeviceInfo([...userIds])
    return new Map([...known].map(([userId, devices]) => [userId, new Set(devices.keys())]))
  }

  pause(): void {
    this.#gate.close()
  }
  resume(): void {
    this.#gate.open()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.stopClient()
    this.#gate.end()
  }

  #look(event: MatrixEvent): void {
    const id = event.getId()
    if (id === undefined || !event.isEncrypted() || id.startsWith('~')) return
    if (event.isDecryptionFailure()) this.#readings.set(id, { unreadable: String(event.decryptionFailureReason) })
    else if (event.getType() === 'm.room.message') this.#readings.set(id, { text: String(event.getContent()['body']) })
    this.news.tell()
  }
}

function newRecoveryKey(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(randomBytes(32))
}
