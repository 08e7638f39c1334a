import type { LRUCache } from 'lru-cache'
import type { EventId, RoomId } from '#core/ids.ts'
import { lru } from '#store/lru.ts'

/** How many members a device is remembered to have been given, over all of its rooms. */
const MEMBERS_PER_DEVICE_MAX = 2_000
const DEVICES_MAX = 5_000

/** What one answer asks and tells the memory. */
export type MemberMemory = {
  has(roomId: RoomId, userId: string, eventId: EventId): boolean
  add(roomId: RoomId, userId: string, eventId: EventId): void
}

type Device = {
  readonly confirmed: LRUCache<string, EventId>
  /** Sent with an answer whose `next_batch` the device hasn't come back with. */
  pending: { readonly nextBatch: string; readonly members: ReadonlyMap<string, EventId> } | null
}

/**
 * Which member events each device was given by lazy loading, so that they need not be sent again ("redundant" members).
 * An answer may get lost: what it held counts only when the device comes back with its token. Only a memory: what is
 * forgotten is sent once more.
 */
export class SentMembers {
  readonly #devices = lru<string, Device>(DEVICES_MAX)

  /** Begins an answer to a device that syncs with `since`; `done` is called with its `next_batch`. */
  begin(device: string, since: string | null): { memory: MemberMemory; done: (nextBatch: string) => void } {
    const known = this.#devices.get(device)
    const confirmed = since === null || known === undefined ? newMemory() : known.confirmed
    if (known?.pending?.nextBatch === since) for (const [key, id] of known.pending.members) confirmed.set(key, id)
    const members = new Map<string, EventId>()
    return {
      memory: {
        has: (roomId, userId, eventId) => {
          const key = `${roomId}\0${userId}`
          return (members.get(key) ?? confirmed.get(key)) === eventId
        },
        add: (roomId, userId, eventId) => members.set(`${roomId}\0${userId}`, eventId),
      },
      done: (nextBatch) => this.#devices.set(device, { confirmed, pending: { nextBatch, members } }),
    }
  }
}

/** For clients that want redundant members: remembers nothing. */
export const NO_MEMORY: MemberMemory = { has: () => false, add: () => {} }

function newMemory(): LRUCache<string, EventId> {
  return lru(MEMBERS_PER_DEVICE_MAX)
}
