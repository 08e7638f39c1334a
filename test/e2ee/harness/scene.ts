import assert from 'node:assert/strict'
import { type EncryptedDevice, knowsDevices, knowsMember, nameOf, reads } from '#test/e2ee/harness/encrypted-device.ts'
import { NioDevice } from '#test/e2ee/harness/nio-device.ts'
import { SdkDevice } from '#test/e2ee/harness/sdk-device.ts'
import type { Servers } from '#test/e2ee/harness/servers.ts'
import type { FederatingServer } from '#test/harness/federating-server.ts'
import { Api, room, V3 } from '#test/system/harness/api.ts'

export type User = { readonly name: string; readonly userId: string; readonly server: FederatingServer }

const ENCRYPTION = { type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }
const e = encodeURIComponent
let users = 0

/** Users of their own, with their devices, on servers that are there. */
export class Scene implements AsyncDisposable {
  readonly servers: Servers
  readonly #devices = new AsyncDisposableStack()

  constructor(servers: Servers) {
    this.servers = servers
  }

  get home(): FederatingServer {
    return this.servers.all[0]
  }
  /** Another server than `home`, where there is one. */
  get away(): FederatingServer {
    return this.servers.all[1] ?? this.home
  }

  async user(name: string, server: FederatingServer): Promise<User> {
    const username = `${name}-${users++}`
    await new Api(server.url).register(username)
    return { name: username, userId: `@${username}:${server.serverName}`, server }
  }

  async sdk(user: User, recoveryKey?: SdkDevice['recoveryKey']): Promise<SdkDevice> {
    return this.#devices.use(await SdkDevice.login(user.server.url, user.name, recoveryKey))
  }
  async nio(user: User): Promise<NioDevice> {
    return this.#devices.use(await NioDevice.login(user.server.url, user.userId))
  }

  /** An encrypted room of the first, where the others are too; all know each other and their devices. */
  async room(first: EncryptedDevice, ...others: readonly EncryptedDevice[]): Promise<string> {
    const invite = [...new Set(others.map(({ userId }) => userId))]
    const roomId = await first.api.createRoom({ preset: 'private_chat', initial_state: [ENCRYPTION], invite })
    const joining = new Map(others.map((device) => [device.userId, device]))
    for (const device of joining.values()) await this.join(device, roomId)
    await this.acquainted(roomId, [first, ...others])
    return roomId
  }

  /** Joins as soon as the invitation is there; resolves when the server knows of all who are there. */
  async join(device: EncryptedDevice, roomId: string): Promise<void> {
    await device.news.until(`${nameOf(device)} to be invited`, () => device.isInvited(roomId))
    await device.api.post(`${V3}/join/${e(roomId)}`)
    // Where members come later than the join, this waits; the server that has them may not be there later.
    await device.api.get(room(roomId, 'members'))
  }

  /** All know that all are in the room, and with which devices. */
  async acquainted(roomId: string, devices: readonly EncryptedDevice[], timeoutMs?: number): Promise<void> {
    const byUser = Map.groupBy(devices, ({ userId }) => userId)
    await Promise.all(
      devices.flatMap((device) =>
        [...byUser].map(async ([userId, theirs]) => {
          await knowsMember(device, roomId, userId)
          await knowsDevices(
            device,
            userId,
            theirs.map(({ deviceId }) => deviceId),
            timeoutMs,
          )
        }),
      ),
    )
  }

  /** Each of the senders says something that all of the readers decrypt. */
  async talk(roomId: string, senders: readonly EncryptedDevice[], readers = senders): Promise<string[]> {
    const said: string[] = []
    for (const sender of senders) {
      const text = `from ${nameOf(sender)}, ${said.length}`
      const eventId = await sender.send(roomId, text)
      said.push(eventId)
      await Promise.all(readers.map(async (reader) => assert.equal(await reads(reader, eventId), text)))
    }
    return said
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#devices.disposeAsync()
  }
}
