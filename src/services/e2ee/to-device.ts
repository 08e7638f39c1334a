import { encodeBase64Url } from '#core/crypto.ts'
import { fitsIdLimit, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { canonicalByteLength, checkStrictNumbers } from '#core/json/canonical.ts'
import type { JsonObject } from '#core/json/value.ts'
import { tooLarge } from '#core/matrix-error.ts'
import type { RandomBytes } from '#services/accounts/secrets.ts'
import { TO_DEVICE_BYTES_MAX } from '#services/e2ee/to-device-limits.ts'
import { StorageFullError } from '#store/errors.ts'
import type { Store, Tx } from '#store/store.ts'
import type { ToDeviceTransaction } from '#store/types/to-device.ts'

/** Content by device id, or `*`, of each user. */
export type ToDeviceContents = ReadonlyMap<UserId, ReadonlyMap<string, JsonObject>>

export type ToDeviceSend = {
  readonly sender: UserId
  /** Names the event type too. */
  readonly transaction: ToDeviceTransaction
  readonly contents: ToDeviceContents
}

const MESSAGE_ID_BYTES = 16

type Deps = { readonly store: Store; readonly serverName: ServerName; readonly randomBytes: RandomBytes }
type Outgoing = { readonly server: ServerName; readonly edu: JsonObject }

/** Sends messages from device to device (client-server API, "Send-to-Device messaging"). */
export class ToDevice {
  readonly #deps: Deps
  #eduQueued: (server: ServerName) => void = () => {}

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Tells who is to hear that there is something for another server. */
  sendBy(eduQueued: (server: ServerName) => void): void {
    this.#eduQueued = eduQueued
  }

  /**
   * Puts each message into the queue of its device, or of its device's server. All are on disk when the promise
   * resolves; the same transaction once more does nothing.
   *
   * @throws MatrixError M_TOO_LARGE, M_BAD_JSON for content that other servers don't take; StorageFullError
   */
  async send({ sender, transaction, contents }: ToDeviceSend): Promise<void> {
    const { store, serverName } = this.#deps
    const type = transaction.eventType
    checkSizes(contents)
    const local = [...contents].filter(([userId]) => serverOf(userId) === serverName)
    const edus = this.#edus(sender, type, contents)
    const sent = await store.write(async (tx) => {
      if (!(await tx.toDevice.addTransaction(transaction))) return false
      const outcomes = new Set<MessagesPut>()
      for (const [userId, messages] of local) {
        outcomes.add(await putMessages(tx, userId, { sender, type }, messages))
      }
      for (const { server, edu } of edus) await tx.outbound.queueEdu(server, edu, transaction.userNid)
      // One device that takes no more must not keep the others from their keys, so only a send that reached none fails.
      if (outcomes.has('full') && !outcomes.has('put') && edus.length === 0) throw new StorageFullError('to_device')
      return true
    })
    if (sent) for (const server of new Set(edus.map((outgoing) => outgoing.server))) this.#eduQueued(server)
  }

  #edus(sender: UserId, type: string, contents: ToDeviceContents): Outgoing[] {
    const { serverName, randomBytes } = this.#deps
    const byServer = Map.groupBy(
      [...contents].filter(([userId]) => serverOf(userId) !== serverName),
      ([userId]) => serverOf(userId),
    )
    const edus: Outgoing[] = []
    for (const [server, users] of byServer) {
      const messages = users.flatMap(([userId, devices]) =>
        [...devices].map(([deviceId, content]) => ({ userId, deviceId, content })),
      )
      const wrap = (some: JsonObject): JsonObject => ({
        edu_type: 'm.direct_to_device',
        content: { sender, type, message_id: encodeBase64Url(randomBytes(MESSAGE_ID_BYTES)), messages: some },
      })
      const room = TO_DEVICE_BYTES_MAX - canonicalByteLength(wrap({}))
      for (const some of packed(messages, room)) edus.push({ server, edu: wrap(some) })
    }
    return edus
  }
}

export type MessagesPut = 'put' | 'full' | 'no device'

/** Queues messages of one sender and type for devices of a local user, as those who exist. */
export async function putMessages(
  tx: Tx,
  userId: UserId,
  { sender, type }: { readonly sender: UserId; readonly type: string },
  contents: ReadonlyMap<string, JsonObject>,
): Promise<MessagesPut> {
  const user = await tx.users.nid(userId)
  if (user === null) return 'no device'
  // Looked up by the user's devices, which are few: what another server sends may name a hundred thousand.
  const position = await tx.toDevice.put(user, {
    get(deviceId) {
      const content = contents.get(deviceId)
      return content && { type, sender, content }
    },
  })
  return typeof position === 'number' ? 'put' : position
}

function checkSizes(contents: ToDeviceContents): void {
  for (const [userId, devices] of contents) {
    for (const [deviceId, content] of devices) {
      if (Buffer.byteLength(JSON.stringify(content)) <= TO_DEVICE_BYTES_MAX) continue
      const message = `The message to ${deviceId} of ${userId} is longer than ${TO_DEVICE_BYTES_MAX} bytes`
      throw tooLarge(message)
    }
  }
}

type Message = { readonly userId: UserId; readonly deviceId: string; readonly content: JsonObject }

/**
 * The messages in objects that each take so many bytes at most.
 * @throws MatrixError M_TOO_LARGE, M_BAD_JSON
 */
function packed(messages: readonly Message[], bytesMax: number): JsonObject[] {
  const groups: Message[][] = []
  let free = 0
  for (const message of messages) {
    // A user who is in the group already is counted once too often, which does no harm.
    checkStrictNumbers(message.content)
    const size = canonicalByteLength({ [message.userId]: { [message.deviceId]: message.content } })
    if (size > bytesMax) {
      throw tooLarge(`The message to ${message.deviceId} of ${message.userId} is too long for other servers`)
    }
    if (size > free) {
      groups.push([])
      free = bytesMax
    }
    groups.at(-1)?.push(message)
    free -= size
  }
  return groups.map((group) => {
    const byUser = Map.groupBy(group, ({ userId }) => userId)
    return Object.fromEntries(
      [...byUser].map(([userId, some]) => [
        userId,
        Object.fromEntries(some.map(({ deviceId, content }) => [deviceId, content])),
      ]),
    )
  })
}

/** Whether a device can have that id, or the message is for all devices. */
export function isDeviceIdText(text: string): boolean {
  return text !== '' && fitsIdLimit(text) && text.isWellFormed() && !text.includes('\0')
}
