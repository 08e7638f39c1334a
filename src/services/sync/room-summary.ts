import type { UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { ReadTx } from '#store/store.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

/** "The users which can be used to generate a room name … the first 5 members". */
const HEROES_MAX = 5

export type RoomSummary = { readonly json: JsonObject; readonly heroes: readonly UserId[] }

/**
 * What clients name a room by when it has no name (client-server API, "RoomSummary"). Heroes are given where neither a
 * name nor a canonical alias is.
 */
export async function roomSummary(tx: ReadTx, room: RoomNid, viewer: UserNid): Promise<RoomSummary> {
  const { joined, invited } = await tx.memberships.counts(room)
  const named = await isNamed(tx, room)
  const heroNids = named ? [] : await tx.memberships.heroes(room, viewer, HEROES_MAX)
  const ids = await tx.users.userIds(heroNids)
  const heroes = heroNids.flatMap((nid) => ids.get(nid) ?? [])
  return {
    json: {
      'm.joined_member_count': joined,
      'm.invited_member_count': invited,
      ...(named ? {} : { 'm.heroes': heroes }),
    },
    heroes,
  }
}

async function isNamed(tx: ReadTx, room: RoomNid): Promise<boolean> {
  for (const [type, field] of [
    ['m.room.name', 'name'],
    ['m.room.canonical_alias', 'alias'],
  ] as const) {
    const nid = await tx.state.currentOne(room, type, '')
    if (nid === null) continue
    const content = (await tx.events.byNids([nid])).get(nid)?.event.content
    const value = content !== undefined && Object.hasOwn(content, field) ? content[field] : undefined
    if (typeof value === 'string' && value !== '') return true
  }
  return false
}
