import type { Event } from '#core/event/event.ts'
import { type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import type { ReadTx } from '#store/store.ts'
import type { Membership } from '#store/types/memberships.ts'

const MEMBERSHIPS: readonly string[] = ['join', 'invite', 'knock', 'leave', 'ban'] satisfies Membership[]

/** What a member event says; null where there is none, or none that can be read. */
export function membershipOf(event: Event | null): Membership | null {
  const membership = event === null ? undefined : member(event.content, 'membership')
  return typeof membership === 'string' && MEMBERSHIPS.includes(membership) ? (membership as Membership) : null
}

/**
 * The display name and avatar that a member event of this user shows: "homeservers … should include the display name
 * and avatar URL fields in these events". Nothing for users of other servers.
 */
export async function profileContent(tx: ReadTx, userId: UserId, ours: ServerName): Promise<JsonObject> {
  if (serverOf(userId) !== ours) return {}
  const nid = await tx.users.nid(userId)
  if (nid === null) return {}
  const profile = await tx.profiles.get(nid)
  const content: Record<string, JsonValue> = {}
  for (const field of ['displayname', 'avatar_url']) {
    const value = profile.get(field)
    if (typeof value === 'string') content[field] = value
  }
  return content
}

/** Members of a join's content that are for the server, or the room's rules, to set. */
const NOT_OF_CLIENTS = ['membership', 'join_authorised_via_users_server', 'third_party_invite']

/**
 * What a client may put into its member event by the body of `/join`. The specification knows `reason` alone; clients
 * rely on the rest of the body being taken too, for a name or avatar of this room, for example.
 */
export function joinContent(body: JsonObject): JsonObject {
  const { third_party_signed: _signed, ...given } = body
  return Object.fromEntries(Object.entries(given).filter(([key]) => !NOT_OF_CLIENTS.includes(key)))
}

/** `reason` as the membership endpoints take it: absent where it wasn't given. */
export function reasonContent(reason: string | undefined): JsonObject {
  return reason === undefined ? {} : { reason }
}
