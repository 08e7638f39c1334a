import { isRoomId, type ServerName } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { isUserOf, joinedRoom } from '#services/federation/inbound/edu-users.ts'
import { receiveReceipts } from '#services/federation/inbound/receipt-edu.ts'
import type { PresenceService } from '#services/presence/presence-service.ts'
import { TYPING_TIMEOUT_MS_DEFAULT } from '#services/typing/typing-notices.ts'
import type { TypingService } from '#services/typing/typing-service.ts'
import type { Store } from '#store/store.ts'

type Deps = {
  readonly store: Store
  readonly typing: Pick<TypingService, 'start' | 'stop'>
  readonly onError: (error: unknown) => void
  readonly presence: Pick<PresenceService, 'receive'>
  readonly keys: KeyEdus
}

/** Takes what end-to-end encryption lives on. It rejects where something could not be stored. */
export type KeyEdus = {
  /** `m.direct_to_device`, several in order. */
  receiveToDevice(origin: ServerName, contents: readonly JsonObject[]): Promise<void>
  /** `m.device_list_update` */
  receiveDeviceUpdate(origin: ServerName, content: JsonObject): Promise<void>
  /** `m.signing_key_update` */
  receiveSigningKeys(origin: ServerName, content: JsonObject): Promise<void>
}

/** The name in the specification, and the one before it, which some servers send as well. */
const SIGNING_KEY_UPDATES: ReadonlySet<unknown> = new Set(['m.signing_key_update', 'org.matrix.signing_key_update'])

/**
 * What other servers tell besides events ("Ephemeral Data Units"). Whoever an EDU names as its actor must be of the
 * server that sent it; everything else is ignored, and so is every type that nothing here is made for.
 */
export class Edus {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Takes the EDUs of a transaction, in order. One that can't be used spoils none of the others. Rejects where keys or
   * messages to devices could not be stored: then the transaction must come again.
   */
  async receive(origin: ServerName, edus: readonly JsonValue[]): Promise<void> {
    const toDevices: JsonObject[] = []
    for (const edu of edus) {
      const type = isJsonObject(edu) ? (member(edu, 'edu_type') ?? member(edu, 'type')) : undefined
      const content = isJsonObject(edu) ? member(edu, 'content') : undefined
      if (!isJsonObject(content)) continue
      if (type === 'm.direct_to_device') toDevices.push(content)
      else if (type === 'm.device_list_update') await this.#deps.keys.receiveDeviceUpdate(origin, content)
      else if (SIGNING_KEY_UPDATES.has(type)) await this.#deps.keys.receiveSigningKeys(origin, content)
      else await this.#receiveFresh(origin, type, edu as JsonObject, content)
    }
    if (toDevices.length > 0) await this.#deps.keys.receiveToDevice(origin, toDevices)
  }

  /** What is worth something only while it is fresh. */
  async #receiveFresh(origin: ServerName, type: JsonValue | undefined, edu: JsonObject, content: JsonObject) {
    try {
      if (type === 'm.typing') await this.#typing(origin, content)
      else if (type === 'm.receipt') await receiveReceipts(this.#deps.store, origin, content)
      else if (type === 'm.presence') await this.#deps.presence.receive(origin, edu)
    } catch (error) {
      this.#deps.onError(error)
    }
  }

  async #typing(origin: ServerName, content: JsonObject): Promise<void> {
    const roomId = member(content, 'room_id')
    const userId = member(content, 'user_id')
    if (typeof roomId !== 'string' || !isRoomId(roomId) || !isUserOf(userId, origin)) return
    const room = await this.#deps.store.read((tx) => joinedRoom(tx, roomId, userId, origin))
    if (room === null) return
    // A server that doesn't say so again in time has forgotten, or is gone.
    if (member(content, 'typing') === true) this.#deps.typing.start(room, userId, TYPING_TIMEOUT_MS_DEFAULT)
    else this.#deps.typing.stop(room, userId)
  }
}
