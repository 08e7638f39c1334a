import type { JsonObject } from '#core/json/value.ts'
import type { PresenceService } from '#services/presence/presence-service.ts'
import { presenceEvent, type UserPresence } from '#services/presence/user-presence.ts'
import { ignoredBy } from '#services/timeline/ignored-users.ts'
import type { ReadTx } from '#store/store.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

type Seeing = {
  readonly viewer: { readonly userNid: UserNid }
  /** Rooms that the viewer is in. */
  readonly rooms: ReadonlySet<RoomNid>
  readonly presence: Pick<PresenceService, 'visible'>
  readonly clock: () => number
}

/** `m.presence` events of those of the users whom the viewer shares a room with and doesn't ignore. */
export async function seenPresence(
  tx: ReadTx,
  { viewer, rooms, presence, clock }: Seeing,
  users: readonly UserPresence[],
): Promise<JsonObject[]> {
  if (users.length === 0) return []
  const ignored = await ignoredBy(tx, viewer.userNid)
  const wanted = users.filter(({ userId }) => !ignored.has(userId))
  return (await presence.visible(tx, viewer, rooms, wanted)).map((user) => presenceEvent(user, clock()))
}
