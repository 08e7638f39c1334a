/** Joining rooms by way of membership in another room (client-server API, "Restricted rooms"). */
import { type RoomId, serverOf, type UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { forbidden } from '#core/matrix-error.ts'
import { membershipOf } from '#services/rooms/member-content.ts'
import { powerLevels } from '#services/rooms/redactions.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import type { RoomDraft } from '#services/rooms/room-draft.ts'
import type { ReadTx } from '#store/store.ts'

/** Conditions of a join rule that are looked at. */
const CONDITIONS_MAX = 100

/**
 * What the join of a user without an invite must carry: the local user in whose name this server vouches for it, where
 * the room is restricted; nothing in other rooms.
 *
 * @throws M_FORBIDDEN when the user meets no condition, or nobody here may invite
 */
export async function restrictedJoinContent(
  context: RoomContext,
  draft: RoomDraft,
  userId: UserId,
): Promise<JsonObject> {
  const joinRules = await draft.state('m.room.join_rules', '')
  if (joinRules === null || !isRestricted(draft, member(joinRules.content, 'join_rule'))) return {}
  const rooms = allowedRooms(joinRules.content)
  const candidates = await context.store.read(async (tx) => {
    if (!(await isInOneOf(tx, userId, rooms))) return null
    const rows = await tx.memberships.ofRoom(draft.roomNid, ['join'])
    return [...(await tx.users.userIds(rows.map((row) => row.userNid))).values()]
  })
  if (candidates === null) throw forbidden('You are in none of the rooms whose members may join this one')
  const levels = await powerLevels(draft)
  for (const candidate of candidates) {
    if (serverOf(candidate) !== context.serverName || levels.userLevel(candidate) < levels.invite) continue
    if (membershipOf(await draft.state('m.room.member', candidate)) !== 'join') continue
    return { join_authorised_via_users_server: candidate }
  }
  throw forbidden('Nobody on this server may invite you to this room')
}

function isRestricted({ rules }: RoomDraft, joinRule: JsonValue | undefined): boolean {
  if (joinRule === 'restricted') return rules.auth.restrictedJoin
  return joinRule === 'knock_restricted' && rules.auth.knockRestricted
}

/** The rooms that the conditions name. "Currently there is only one condition available: `m.room_membership`." */
function allowedRooms(content: JsonObject): RoomId[] {
  const allow = member(content, 'allow')
  const conditions: readonly JsonValue[] = Array.isArray(allow) ? allow.slice(0, CONDITIONS_MAX) : []
  return conditions.flatMap((condition) => {
    if (!isJsonObject(condition) || member(condition, 'type') !== 'm.room_membership') return []
    const roomId = member(condition, 'room_id')
    return typeof roomId === 'string' ? [roomId as RoomId] : []
  })
}

async function isInOneOf(tx: ReadTx, userId: UserId, rooms: readonly RoomId[]): Promise<boolean> {
  const user = await tx.users.nid(userId)
  if (user === null) return false
  for (const roomId of rooms) {
    const room = await tx.rooms.byId(roomId)
    const row = room === null ? null : await tx.memberships.one(user, room.nid)
    if (row?.membership === 'join') return true
  }
  return false
}
