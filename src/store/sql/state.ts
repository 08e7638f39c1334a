import type { EventId } from '#core/ids.ts'
import { integerList } from '#store/sql/connection.ts'
import { inParts, Pauses } from '#store/sql/pauses.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import { stateKeys, type TypeAndKey } from '#store/sql/state-keys.ts'
import { StateTree } from '#store/state-tree/state-tree.ts'
import type { EventNid } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { StateDifference, StateEntry, StateId, StateKeyNid, StateStore } from '#store/types/state.ts'

/** The connection's state tree: there must be no second one, since it alone knows what is not committed. */
export const stateTree = (sql: Sql) => new StateTree(sql)

export function stateStore(sql: Sql): StateStore {
  const keys = perConnection(sql, stateKeys)
  const tree = perConnection(sql, stateTree)

  const currentOf = sql.prepare((db, p: { room: number }) =>
    db.selectFrom('current_state').select(['key_nid', 'event_nid']).where('room_nid', '=', p.room),
  )
  const currentOfTypes = sql.prepare((db, p: { room: number; types: string }) =>
    db
      .selectFrom('current_state')
      .select(['key_nid', 'event_nid'])
      .where('room_nid', '=', p.room)
      .where('type_nid', 'in', sql.integers(p.types)),
  )
  const currentAt = sql.prepare((db, p: { room: number; type: number; key: number }) =>
    db
      .selectFrom('current_state')
      .select('event_nid')
      .where('room_nid', '=', p.room)
      .where('type_nid', '=', p.type)
      .where('key_nid', '=', p.key),
  )
  const loggedAt = sql.prepare((db, p: { room: number; position: number }) =>
    db
      .selectFrom('state_log')
      .select('state_id')
      .where('room_nid', '=', p.room)
      .where('position', '<=', p.position)
      .orderBy('position', 'desc')
      .limit(1),
  )
  const eventIdsOf = sql.prepare((db, p: { nids: string }) =>
    db.selectFrom('events').select(['nid', 'event_id']).where('nid', 'in', sql.integers(p.nids)),
  )

  async function entriesOf(pairs: readonly (readonly [StateKeyNid, EventNid])[]): Promise<StateEntry[]> {
    const names = await keys.keys(pairs.map(([key]) => key))
    const pauses = new Pauses()
    const entries: StateEntry[] = []
    for (const [key, eventNid] of pairs) {
      const [type, stateKey] = nameOf(names, key)
      entries.push({ key, type, stateKey, eventNid })
      if (pauses.due()) await pauses.pause()
    }
    return entries
  }

  async function currentRows(room: RoomNid, types: readonly string[] | undefined) {
    if (types === undefined) return currentOf.all({ room })
    const nids = await Promise.all(types.map((type) => keys.nid(type, '')))
    return currentOfTypes.all({ room, types: integerList(nids.filter((nid) => nid !== null)) })
  }

  return {
    keyNid: (type, stateKey) => keys.nid(type, stateKey),

    keys: (nids) => keys.keys(nids),

    async get(state, type, stateKey) {
      const key = await keys.nid(type, stateKey)
      return key === null ? null : ((await tree.get(state, key)) ?? null)
    },

    async getMany(state, wanted) {
      const nids = await inParts(wanted, (some) =>
        Promise.all(some.map(([type, stateKey]) => keys.nid(type, stateKey))),
      )
      const known = nids.filter((nid) => nid !== null)
      const found = new Map((await tree.getMany(state, known)).map((event, i) => [known[i], event]))
      return nids.map((nid) => (nid === null ? null : (found.get(nid) ?? null)))
    },

    async entries(state, types) {
      const entries = await entriesOf(await tree.entries(state))
      return types === undefined ? entries : entries.filter(({ type }) => types.includes(type))
    },

    async diff(a, b) {
      const differences = await tree.diff(a, b)
      const names = await keys.keys(differences.map(([key]) => key))
      const pauses = new Pauses()
      const named: StateDifference[] = []
      for (const [key, inA, inB] of differences) {
        const [type, stateKey] = nameOf(names, key)
        named.push({ key, type, stateKey, a: inA ?? null, b: inB ?? null })
        if (pauses.due()) await pauses.pause()
      }
      return named
    },

    async current(room, types) {
      const rows = await currentRows(room, types)
      return entriesOf(rows.map((row) => [row.key_nid as StateKeyNid, row.event_nid as EventNid]))
    },

    async currentOne(room, type, stateKey) {
      const typeNid = await keys.nid(type, '')
      const key = await keys.nid(type, stateKey)
      if (typeNid === null || key === null) return null
      return ((await currentAt.get({ room, type: typeNid, key }))?.event_nid as EventNid | undefined) ?? null
    },

    async at(room, position) {
      return ((await loggedAt.get({ room, position }))?.state_id ?? 0) as StateId
    },

    async eventIds(nids) {
      const rows = await eventIdsOf.all({ nids: integerList(nids) })
      return new Map(rows.map((row) => [row.nid as EventNid, row.event_id as EventId]))
    },

    async apply(room, base, changes) {
      const numbered: [StateKeyNid, EventNid | null][] = []
      for (const { type, stateKey, event } of changes) numbered.push([await keys.intern(type, stateKey), event])
      return tree.apply(room, base, numbered)
    },

    async build(room, entries) {
      const numbered: [StateKeyNid, EventNid][] = []
      const pauses = new Pauses()
      for (const { type, stateKey, event } of entries) {
        numbered.push([await keys.intern(type, stateKey), event])
        if (pauses.due()) await pauses.pause()
      }
      return tree.build(room, numbered)
    },
  }
}

function nameOf(names: ReadonlyMap<StateKeyNid, TypeAndKey>, key: StateKeyNid): TypeAndKey {
  const name = names.get(key)
  if (name === undefined) throw new Error(`The database lacks state key ${key}`)
  return name
}
