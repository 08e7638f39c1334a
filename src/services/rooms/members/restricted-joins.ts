/** Joining rooms by way of membership in another room (client-server API, "Restricted rooms"). */
import { type RoomId, serverOf, type UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { forbidden, MatrixError } from '#core/matrix-error.ts'
import { membershipOf } from '#services/rooms/members/member-content.ts'
import type { RoomDraft } from '#services/rooms/queue/room-draft.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import { powerLevels } from '#services/rooms/sending/redactions.ts'
import type { ReadTx } from '#store/store.ts'

/** Conditions of a join rule that are looked at. */
const CONDITIONS_MAX = 100

/** What a room with conditions says to the join of one user. */
export type RestrictedJoin =
  /** The room has no conditions. */
  | { readonly outcome: 'unrestricted' }
  /** A local user who is joined and may invite: this server vouches for the join in their name. */
  | { readonly outcome: 'granted'; readonly via: UserId }
  | { readonly outcome: 'no condition met' }
  /** No condition is met as far as this server knows, which doesn't know all of the rooms that they name. */
  | { readonly outcome: 'rooms unknown' }
  /** A condition is met, but no local user may invite. */
  | { readonly outcome: 'nobody may invite' }

/** A condition is met, but nobody on this server may invite: another server may still let the user in. */
export class NobodyMayInviteError extends MatrixError {
  constructor() {
    super('M_FORBIDDEN', 'Nobody on this server may invite you to this room')
  }
}

/**
 * What the join of a local user without an invite must carry: the local user in whose name this server vouches for it,
 * where the room is restricted; nothing in other rooms.
 *
 * @throws M_FORBIDDEN when the user meets no condition; NobodyMayInviteError
 */
export async function restrictedJoinContent(
  context: RoomContext,
  draft: RoomDraft,
  userId: UserId,
): Promise<JsonObject> {
  const join = await judgeRestrictedJoin(context, draft, userId)
  if (join.outcome === 'unrestricted') return {}
  if (join.outcome === 'granted') return { join_authorised_via_users_server: join.via }
  if (join.outcome === 'nobody may invite') throw new NobodyMayInviteError()
  throw forbidden('You are in none of the rooms whose members may join this one')
}

/** Looks at the conditions of a room for a user, local or not, who isn't invited. */
export async function judgeRestrictedJoin(
  context: RoomContext,
  draft: RoomDraft,
  userId: UserId,
): Promise<RestrictedJoin> {
  const joinRules = await draft.state('m.room.join_rules', '')
  if (joinRules === null || !isRestricted(draft, member(joinRules.content, 'join_rule'))) {
    return { outcome: 'unrestricted' }
  }
  const rooms = allowedRooms(joinRules.content)
  const { found, candidates } = await context.store.read(async (tx) => {
    const found = await lookForMember(tx, userId, rooms)
    if (found !== 'member') return { found, candidates: [] }
    const rows = await tx.memberships.ofRoom(draft.roomNid, ['join'])
    return { found, candidates: [...(await tx.users.userIds(rows.map((row) => row.userNid))).values()] }
  })
  if (found !== 'member') return { outcome: found === 'unknown' ? 'rooms unknown' : 'no condition met' }
  const levels = await powerLevels(draft)
  for (const candidate of candidates) {
    if (serverOf(candidate) !== context.serverName || levels.userLevel(candidate) < levels.invite) continue
    if (membershipOf(await draft.state('m.room.member', candidate)) !== 'join') continue
    return { outcome: 'granted', via: candidate }
  }
  return { outcome: 'nobody may invite' }
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

/** `unknown` where the user is in none of those that this server is in, and it isn't in all of them. */
async function lookForMember(
  tx: ReadTx,
  userId: UserId,
  rooms: readonly RoomId[],
): Promise<'member' | 'stranger' | 'unknown'> {
  const user = await tx.users.nid(userId)
  let answer: 'stranger' | 'unknown' = 'stranger'
  for (const roomId of rooms) {
    const room = await tx.rooms.byId(roomId)
    // Of a room that all local users have left, nothing is known any more.
    if (room === null || !room.isResident) {
      answer = 'unknown'
      continue
    }
    const row = user === null ? null : await tx.memberships.one(user, room.nid)
    if (row?.membership === 'join') return 'member'
    if (room.partial !== null) answer = 'unknown'
  }
  return answer
}
