import type { RoomId } from '#core/ids.ts'
import { ROOM_VERSIONS, type RoomVersionRules } from '#core/room-versions.ts'
import type { RoomNid, RoomRow } from '#store/types/rooms.ts'

/** A room that is here, as the inbound side needs it. */
export type InboundRoom = { readonly roomId: RoomId; readonly nid: RoomNid; readonly rules: RoomVersionRules }

/** The room with its version's rules; null for a version that this server doesn't have. */
export function inboundRoom({ roomId, nid, version }: RoomRow): InboundRoom | null {
  const rules = ROOM_VERSIONS.get(version)
  return rules === undefined ? null : { roomId, nid, rules }
}
