import { sql as template } from 'kysely'
import type { EventId, RoomAlias, RoomId, UserId } from '#core/ids.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import { roomNames } from '#store/sql/room-names.ts'
import { roomServersReader } from '#store/sql/room-servers.ts'
import type { Sql } from '#store/sql/sql.ts'
import { storageUse } from '#store/sql/storage-use.ts'
import type { RoomsTables } from '#store/sql/tables/rooms.ts'
import { userStore } from '#store/sql/users.ts'
import type { EventNid } from '#store/types/events.ts'
import type { AliasRow, PartialState, RoomNid, RoomRow, RoomStore } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'

export function roomStore(sql: Sql): RoomStore {
  const names = perConnection(sql, roomNames)
  const users = perConnection(sql, userStore)
  const use = perConnection(sql, storageUse)

  const byId = sql.prepare((db, p: { roomId: string }) =>
    db.selectFrom('rooms').selectAll().where('room_id', '=', p.roomId),
  )
  const byNid = sql.prepare((db, p: { nid: number }) => db.selectFrom('rooms').selectAll().where('nid', '=', p.nid))
  const extremities = sql.prepare((db, p: { room: number }) =>
    db
      .selectFrom('extremities')
      .innerJoin('events', 'events.nid', 'extremities.event_nid')
      .select(['nid', 'event_id', 'depth', 'generation', 'state_before', 'state_after'])
      .where('extremities.room_nid', '=', p.room)
      .orderBy('nid'),
  )
  const aliases = () =>
    sql.db
      .selectFrom('room_aliases')
      .innerJoin('users', 'users.nid', 'room_aliases.creator_nid')
      .select(['alias', 'room_nid', 'user_id'])
  // As a literal, so that it is seen to be the index's condition.
  const published = () => sql.db.selectFrom('rooms').where('published', '=', template.lit(1))

  const told = () => sql.db.selectFrom('claimed_states').select(['state_id', 'is_before']).orderBy('state_id')
  const partial = () => sql.db.selectFrom('rooms').selectAll().where('partial', 'is not', null).orderBy('nid').execute()

  return {
    ...roomServersReader(sql),

    async byId(roomId) {
      const row = await byId.get({ roomId })
      return row === undefined ? null : room(row)
    },

    async byNid(nid) {
      const row = await byNid.get({ nid })
      return row === undefined ? null : room(row)
    },

    async roomIds(nids) {
      return new Map([...(await names.ofNids(nids))].map(([nid, name]) => [nid, name.roomId]))
    },

    async extremities(nid) {
      const rows = await extremities.all({ room: nid })
      return rows.map((row) => ({
        nid: row.nid as EventNid,
        eventId: row.event_id as EventId,
        depth: row.depth,
        generation: row.generation,
        stateAfter: (row.state_after ?? row.state_before) as StateId,
      }))
    },

    async alias(name) {
      const row = await aliases().where('alias', '=', name).executeTakeFirst()
      return row === undefined ? null : alias(row)
    },

    async aliases(nid) {
      const rows = await aliases().where('room_nid', '=', nid).orderBy('alias').execute()
      return rows.map(alias)
    },

    async published(limit, after) {
      let page = published().selectAll().orderBy('joined', 'desc').orderBy('nid').limit(limit)
      if (after !== null) {
        page = page.where((is) =>
          is.or([
            is('joined', '<', after.joined),
            is.and([is('joined', '=', after.joined), is('nid', '>', after.nid)]),
          ]),
        )
      }
      return (await page.execute()).map((row) => ({ room: room(row), joined: row.joined }))
    },

    async publishedCount() {
      const row = await published()
        .select((select) => select.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow()
      return Number(row.count)
    },

    async partialRooms() {
      return (await partial()).map(room)
    },

    async claimedState(nid, eventId) {
      const rows = await told().where('room_nid', '=', nid).where('event_id', '=', eventId).execute()
      const states = rows.map(({ state_id }) => state_id as StateId)
      const [first] = states
      if (first === undefined) return null
      return rows[0]?.is_before === 1 ? { before: first } : { after: states }
    },

    async create(roomId, version) {
      const nid = (await sql.allocate('room')) as RoomNid
      await sql.db
        .insertInto('rooms')
        .values({ nid, room_id: roomId, version, ...EMPTY_ROOM })
        .execute()
      names.wrote(nid, roomId, version)
      return nid
    },

    async setVersion(nid, version) {
      const known = (await names.ofNids([nid])).get(nid)
      if (known === undefined) throw new Error(`No room has the number ${nid}`)
      await sql.run('UPDATE rooms SET version = ? WHERE nid = ?', [version, nid])
      names.wrote(nid, known.roomId, version)
    },

    async setPartial(nid, state) {
      const json = state === null ? null : JSON.stringify(state)
      await sql.run('UPDATE rooms SET partial = ? WHERE nid = ?', [json, nid])
      if (state === null) await sql.run('DELETE FROM claimed_states WHERE room_nid = ?', [nid])
    },

    async putClaimedState(nid, eventId, told) {
      const [states, isBefore] = 'before' in told ? [[told.before], 1] : [told.after, 0]
      for (const state of new Set(states)) {
        const row = [nid, eventId, state, isBefore]
        await sql.run('INSERT INTO claimed_states (room_nid, event_id, state_id, is_before) VALUES (?, ?, ?, ?)', row)
      }
    },

    async replaceExtremities(nid, eventNids) {
      await sql.run('UPDATE rooms SET head_seq = head_seq + 1 WHERE nid = ?', [nid])
      await sql.run('DELETE FROM extremities WHERE room_nid = ?', [nid])
      for (const event of new Set(eventNids)) {
        await sql.run('INSERT INTO extremities (room_nid, event_nid) VALUES (?, ?)', [nid, event])
      }
      const row = await byNid.get({ nid })
      if (row === undefined) throw new Error(`No room has the number ${nid}`)
      return row.head_seq
    },

    async setPublished(nid, published) {
      await sql.db
        .updateTable('rooms')
        .set({ published: published ? 1 : 0 })
        .where('nid', '=', nid)
        .execute()
    },

    async putAlias(name, roomNid, creator) {
      const creatorNid = await users.intern(creator)
      const put = () =>
        sql.run(
          'INSERT INTO room_aliases (alias, room_nid, creator_nid) VALUES (?, ?, ?) ON CONFLICT (alias) DO NOTHING',
          [name, roomNid, creatorNid],
        )
      const inserted = await use.within(creatorNid, 'aliases', put)
      return inserted > 0
    },

    async deleteAlias(name) {
      await sql.run('DELETE FROM room_aliases WHERE alias = ?', [name])
    },
  }
}

const EMPTY_ROOM = {
  head_seq: 0,
  state_id: 0,
  rank_max: 0,
  last_position: 0,
  published: 0,
  joined: 0,
  invited: 0,
  local_joined: 0,
}

function room(row: RoomsTables['rooms']): RoomRow {
  return {
    nid: row.nid as RoomNid,
    roomId: row.room_id as RoomId,
    version: row.version,
    headSeq: row.head_seq,
    stateId: row.state_id as StateId,
    rankMax: row.rank_max,
    lastPosition: row.last_position,
    published: row.published === 1,
    isResident: row.local_joined > 0,
    partial: row.partial === null ? null : (JSON.parse(row.partial) as PartialState),
  }
}

function alias(row: { alias: string; room_nid: number; user_id: string }): AliasRow {
  return { alias: row.alias as RoomAlias, roomNid: row.room_nid as RoomNid, creator: row.user_id as UserId }
}
