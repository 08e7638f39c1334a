import type { RoomId } from '#core/ids.ts'
import { ROOM_VERSIONS, type RoomVersionRules } from '#core/room-versions.ts'
import { lru } from '#store/lru.ts'
import { CommittedCache } from '#store/sql/committed-cache.ts'
import { integerList } from '#store/sql/connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** What of a room never changes, once it has events. */
export type RoomName = { readonly roomId: RoomId; readonly rules: RoomVersionRules }

const ROOMS_CACHED_MAX = 20_000
const makeCache = () => lru<RoomNid, RoomName>(ROOMS_CACHED_MAX)

/** Ids and versions of rooms by their numbers, over one connection: get it by `perConnection(sql, roomNames)`. */
export class RoomNames {
  readonly #cache: CommittedCache<RoomNid, RoomName>
  readonly #load

  constructor(sql: Sql) {
    this.#cache = new CommittedCache<RoomNid, RoomName>(sql, sql.shared(makeCache))
    this.#load = sql.prepare((db, p: { nids: string }) =>
      db.selectFrom('rooms').select(['nid', 'room_id', 'version']).where('nid', 'in', sql.integers(p.nids)),
    )
  }

  async ofNids(nids: Iterable<RoomNid>): Promise<Map<RoomNid, RoomName>> {
    const names = new Map<RoomNid, RoomName>()
    const unknown = new Set<RoomNid>()
    for (const nid of nids) {
      const cached = this.#cache.get(nid)
      if (cached === undefined) unknown.add(nid)
      else names.set(nid, cached)
    }
    if (unknown.size === 0) return names
    for (const row of await this.#load.all({ nids: integerList(unknown) })) {
      const nid = row.nid as RoomNid
      const name = nameOf(row.room_id, row.version)
      this.#cache.found(nid, name)
      names.set(nid, name)
    }
    return names
  }

  /** Notes a room that this transaction has made or corrected. */
  wrote(nid: RoomNid, roomId: string, version: string): void {
    this.#cache.wrote(nid, nameOf(roomId, version))
  }
}

export const roomNames = (sql: Sql) => new RoomNames(sql)

function nameOf(roomId: string, version: string): RoomName {
  const rules = ROOM_VERSIONS.get(version)
  if (rules === undefined) throw new Error(`Room ${roomId} has the unknown version ${version}`)
  return { roomId: roomId as RoomId, rules }
}
