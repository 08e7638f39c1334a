import type { RoomId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { textList } from '#store/sql/connection.ts'
import { Pauses } from '#store/sql/pauses.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import { insertInto, RowBatch } from '#store/sql/row-batch.ts'
import type { Sql } from '#store/sql/sql.ts'
import { storageUse } from '#store/sql/storage-use.ts'
import type { BackedUpKey, BackupSelection, KeyBackupRow, KeyBackupStore } from '#store/types/key-backups.ts'

type Version = { user: number; version: number }
type Row = { version: number; algorithm: string; auth_data: string; etag: number; key_count: number }
type KeyRow = {
  room_id: string
  session_id: string
  is_verified: number
  first_message_index: number
  forwarded_count: number
  session_data: string
}

const PUT_KEY = insertInto(
  'key_backup_keys',
  {
    user_nid: 'integer',
    version: 'integer',
    room_id: 'text',
    session_id: 'text',
    is_verified: 'integer',
    first_message_index: 'integer',
    forwarded_count: 'integer',
    session_data: 'text',
  },
  `ON CONFLICT (user_nid, version, room_id, session_id) DO UPDATE SET
     is_verified = excluded.is_verified, first_message_index = excluded.first_message_index,
     forwarded_count = excluded.forwarded_count, session_data = excluded.session_data`,
)

/** After every room id. */
const LAST_ROOM = '\u{10ffff}'

const COLUMNS = ['version', 'algorithm', 'auth_data', 'etag', 'key_count'] as const

export function keyBackupStore(sql: Sql): KeyBackupStore {
  const use = perConnection(sql, storageUse)
  const current = sql.prepare((db, p: { user: number }) =>
    db
      .selectFrom('key_backups')
      .select(COLUMNS)
      .where('user_nid', '=', p.user)
      .where('deleted', '=', 0)
      .orderBy('version', 'desc')
      .limit(1),
  )
  const byVersion = sql.prepare((db, p: Version) =>
    db
      .selectFrom('key_backups')
      .select(COLUMNS)
      .where('user_nid', '=', p.user)
      .where('version', '=', p.version)
      .where('deleted', '=', 0),
  )
  const someOfRoom = sql.prepare((db, p: Version & { roomId: string; sessionIds: string }) =>
    db
      .selectFrom('key_backup_keys')
      .selectAll()
      .where('user_nid', '=', p.user)
      .where('version', '=', p.version)
      .where('room_id', '=', p.roomId)
      .where('session_id', 'in', sql.texts(p.sessionIds)),
  )

  // Session ids aren't empty, so that '' comes before all of a room.
  const page = sql.prepare((db, p: Version & { from: string; session: string; to: string; limit: number }) =>
    db
      .selectFrom('key_backup_keys')
      .selectAll()
      .where('user_nid', '=', p.user)
      .where('version', '=', p.version)
      .where(({ eb, refTuple, tuple }) => eb(refTuple('room_id', 'session_id'), '>', tuple(p.from, p.session)))
      .where('room_id', '<=', p.to)
      .orderBy('room_id')
      .orderBy('session_id')
      .limit(p.limit),
  )

  async function get(user: number, version: number): Promise<KeyBackupRow | null> {
    const row = await byVersion.get({ user, version })
    return row === undefined ? null : backup(row)
  }

  return {
    get,

    async current(user) {
      const row = await current.get({ user })
      return row === undefined ? null : backup(row)
    },

    async keys(user, version, { roomId, sessionId }) {
      let query = sql.db
        .selectFrom('key_backup_keys')
        .selectAll()
        .where('user_nid', '=', user)
        .where('version', '=', version)
      if (roomId !== undefined) query = query.where('room_id', '=', roomId)
      if (sessionId !== undefined) query = query.where('session_id', '=', sessionId)
      return (await query.orderBy('room_id').orderBy('session_id').execute()).map(backedUpKey)
    },

    async page(user, version, { roomId, after, limit }) {
      const [from, session] = after === null ? [roomId ?? '', ''] : [after.roomId, after.sessionId]
      const rows = await page.all({ user, version, from, session, to: roomId ?? LAST_ROOM, limit })
      return rows.map(backedUpKey)
    },

    async keysOf(user, version, sessions) {
      const rooms = Map.groupBy(sessions, ({ roomId }) => roomId)
      const found: BackedUpKey[] = []
      const pauses = new Pauses()
      for (const [roomId, ofRoom] of rooms) {
        if (pauses.due()) await pauses.pause()
        const sessionIds = textList(ofRoom.map(({ sessionId }) => sessionId))
        found.push(...(await someOfRoom.all({ user, version, roomId, sessionIds })).map(backedUpKey))
      }
      return found
    },

    async create(user, { algorithm, authData }) {
      for (;;) {
        const last = await sql.get<{ version: number | null }>(
          'SELECT MAX(version) AS version FROM key_backups WHERE user_nid = ?',
          [user],
        )
        const version = (last?.version ?? 0) + 1
        // Another process may have made one since the look-up.
        const add = () =>
          sql.run(
            `INSERT INTO key_backups (user_nid, version, algorithm, auth_data, etag, key_count, deleted)
             VALUES (?, ?, ?, ?, 0, 0, 0) ON CONFLICT (user_nid, version) DO NOTHING`,
            [user, version, algorithm, JSON.stringify(authData)],
          )
        const added = await use.within(user, 'key_backup', add)
        if (added !== 1) continue
        // Only the newest version needs a row to stand for it once it is deleted.
        await sql.run('DELETE FROM key_backups WHERE user_nid = ? AND deleted = 1', [user])
        return version
      }
    },

    async setAuthData(user, version, authData) {
      const changed = [JSON.stringify(authData), user, version]
      const set = () => sql.run('UPDATE key_backups SET auth_data = ? WHERE user_nid = ? AND version = ?', changed)
      await use.within(user, 'key_backup', set)
    },

    async lock(user, version) {
      await sql.run('UPDATE key_backups SET etag = etag WHERE user_nid = ? AND version = ?', [user, version])
      return get(user, version)
    },

    async putKeys(user, version, keys, added) {
      const batch = new RowBatch()
      for (const key of keys) {
        batch.add(
          PUT_KEY,
          user,
          version,
          key.roomId,
          key.sessionId,
          key.isVerified ? 1 : 0,
          key.firstMessageIndex,
          key.forwardedCount,
          JSON.stringify(key.sessionData),
        )
      }
      await use.within(user, 'key_backup', () => batch.write(sql))
      await sql.run(
        'UPDATE key_backups SET etag = etag + 1, key_count = key_count + ? WHERE user_nid = ? AND version = ?',
        [added, user, version],
      )
    },

    async deleteKeys(user, version, { roomId, sessionId }: BackupSelection) {
      let query = sql.db.deleteFrom('key_backup_keys').where('user_nid', '=', user).where('version', '=', version)
      if (roomId !== undefined) query = query.where('room_id', '=', roomId)
      if (sessionId !== undefined) query = query.where('session_id', '=', sessionId)
      const { numDeletedRows } = await query.executeTakeFirst()
      const deleted = Number(numDeletedRows)
      if (deleted === 0) return
      await sql.run(
        'UPDATE key_backups SET etag = etag + 1, key_count = key_count - ? WHERE user_nid = ? AND version = ?',
        [deleted, user, version],
      )
    },

    async delete(user, version) {
      const changes = await sql.run(
        `UPDATE key_backups SET deleted = 1, auth_data = '{}', key_count = 0 WHERE user_nid = ? AND version = ?`,
        [user, version],
      )
      if (changes === 0) {
        const last = await sql.get<{ version: number }>(
          'SELECT version FROM key_backups WHERE user_nid = ? AND version > ? LIMIT 1',
          [user, version],
        )
        return last !== undefined
      }
      await sql.run('DELETE FROM key_backup_keys WHERE user_nid = ? AND version = ?', [user, version])
      return true
    },

    async deleteAll(user) {
      await sql.run('DELETE FROM key_backup_keys WHERE user_nid = ?', [user])
      await sql.run('DELETE FROM key_backups WHERE user_nid = ?', [user])
    },
  }
}

function backup(row: Row): KeyBackupRow {
  return {
    version: row.version,
    algorithm: row.algorithm,
    authData: JSON.parse(row.auth_data) as JsonObject,
    etag: row.etag,
    count: row.key_count,
  }
}

function backedUpKey(row: KeyRow): BackedUpKey {
  return {
    roomId: row.room_id as RoomId,
    sessionId: row.session_id,
    isVerified: row.is_verified === 1,
    firstMessageIndex: row.first_message_index,
    forwardedCount: row.forwarded_count,
    sessionData: JSON.parse(row.session_data) as JsonObject,
  }
}
