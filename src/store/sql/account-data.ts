import type { RoomId } from '#core/ids.ts'
import { keptObject } from '#store/sql/kept-json.ts'
import { logStore } from '#store/sql/log.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import { storageUse } from '#store/sql/storage-use.ts'
import { isSliceOver, nextSlice } from '#store/time-slices.ts'
import type { AccountDataRow, AccountDataStore } from '#store/types/account-data.ts'

type Row = { room_id: string; type: string; content: string; position: number }

/** Each row may be as long as a request. */
async function read(rows: readonly Row[]): Promise<AccountDataRow[]> {
  const read: AccountDataRow[] = []
  for (const row of rows) {
    if (isSliceOver()) await nextSlice()
    read.push(accountData(row))
  }
  return read
}

function accountData(row: Row): AccountDataRow {
  return {
    roomId: row.room_id === '' ? null : (row.room_id as RoomId),
    type: row.type,
    content: keptObject(row.content),
    position: row.position,
  }
}

export function accountDataStore(sql: Sql): AccountDataStore {
  const log = logStore(sql)
  const use = perConnection(sql, storageUse)
  const one = sql.prepare((db, p: { user: number; roomId: string; type: string }) =>
    db
      .selectFrom('account_data')
      .select('content')
      .where('user_nid', '=', p.user)
      .where('room_id', '=', p.roomId)
      .where('type', '=', p.type),
  )
  const between = sql.prepare((db, p: { user: number; from: number; to: number }) =>
    db
      .selectFrom('account_data')
      .select(['room_id', 'type', 'content', 'position'])
      .where('user_nid', '=', p.user)
      .where('position', '>', p.from)
      .where('position', '<=', p.to)
      .orderBy('position'),
  )
  const ofRoom = sql.prepare((db, p: { user: number; roomId: string }) =>
    db
      .selectFrom('account_data')
      .select(['room_id', 'type', 'content', 'position'])
      .where('user_nid', '=', p.user)
      .where('room_id', '=', p.roomId)
      .orderBy('position'),
  )

  return {
    async get(user, roomId, type) {
      const row = await one.get({ user, roomId: roomId ?? '', type })
      return row === undefined ? null : keptObject(row.content)
    },

    async all(user) {
      return read(await between.all({ user, from: 0, to: Number.MAX_SAFE_INTEGER }))
    },

    async ofRoom(user, roomId) {
      return read(await ofRoom.all({ user, roomId }))
    },

    async changesFor(user, from, to) {
      return read(await between.all({ user, from, to }))
    },

    async put(user, roomId, type, content) {
      const position = await log.append('account_data', { userNid: user })
      const put = () =>
        sql.run(
          `INSERT INTO account_data (user_nid, room_id, type, content, position) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (user_nid, room_id, type)
           DO UPDATE SET content = excluded.content, position = excluded.position`,
          [user, roomId ?? '', type, JSON.stringify(content), position],
        )
      await use.within(user, 'account_data', put)
      return position
    },

    async deleteAll(user) {
      await sql.run('DELETE FROM account_data WHERE user_nid = ?', [user])
    },
  }
}
