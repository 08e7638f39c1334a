import { isRoomId, isUserId, type RoomId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { receiveReceipts } from '#services/federation/inbound/receipt-edu.ts'
import { isAllowedByAcl } from '#services/federation/server-acl.ts'
import type { PresenceService } from '#services/presence/presence-service.ts'
import { TYPING_TIMEOUT_MS_DEFAULT } from '#services/typing/typing-notices.ts'
import type { TypingService } from '#services/typing/typing-service.ts'
import type { Store } from '#store/store.ts'

type Deps = {
  readonly store: Store
  readonly typing: Pick<TypingService, 'start' | 'stop'>
  readonly onError: (error: unknown) => void
  readonly presence: Pick<PresenceService, 'receive'>
}

/**
 * What other servers tell besides events ("Ephemeral Data Units"). Whoever an EDU names as its actor must be of the
 * server that sent it; everything else is ignored, and so is every type that nothing here is made for.
 */
export class Edus {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Takes the EDUs of a transaction, in order. One that can't be used spoils none of the others. */
  async receive(origin: ServerName, edus: readonly JsonValue[]): Promise<void> {
    for (const edu of edus) {
      const type = isJsonObject(edu) ? (member(edu, 'edu_type') ?? member(edu, 'type')) : undefined
      const content = isJsonObject(edu) ? member(edu, 'content') : undefined
      if (!isJsonObject(content)) continue
      try {
        if (type === 'm.typing') await this.#typing(origin, content)
        else if (type === 'm.receipt') await receiveReceipts(this.#deps.store, origin, content)
        else if (type === 'm.presence') await this.#deps.presence.receive(origin, edu!)
      } catch (error) {
        this.#deps.onError(error)
      }
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

/** Whether this is the id of a user of the server: all that it may speak for. */
export function isUserOf(userId: JsonValue | undefined, server: ServerName): userId is UserId {
  return typeof userId === 'string' && isUserId(userId) && serverOf(userId) === server
}

/** The room, if this server is in it, the user too, and the room doesn't shut the other server out. */
export async function joinedRoom(
  tx: Parameters<Parameters<Store['read']>[0]>[0],
  roomId: RoomId,
  userId: UserId,
  origin: ServerName,
) {
  const room = await tx.rooms.byId(roomId)
  if (room === null || !room.isResident) return null
  const user = await tx.users.nid(userId)
  const membership = user === null ? null : await tx.memberships.one(user, room.nid)
  if (membership?.membership !== 'join' || !(await isAllowedByAcl(tx, room.nid, origin))) return null
  return room.nid
}
