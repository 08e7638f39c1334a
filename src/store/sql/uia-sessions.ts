import type { Sql } from '#store/sql/sql.ts'
import type { UiaSessionRow, UiaSessionStore } from '#store/types/uia-sessions.ts'
import type { UserNid } from '#store/types/users.ts'

type Row = {
  operation: string
  user_nid: number | null
  fingerprint: string | null
  completed: string
  expires_ts: number
}

export function uiaSessionStore(sql: Sql): UiaSessionStore {
  return {
    async get(idHash) {
      const row = await sql.get<Row>('SELECT * FROM uia_sessions WHERE id_hash = ?', [idHash])
      if (row === undefined) return null
      return {
        idHash,
        operation: row.operation,
        userNid: row.user_nid as UserNid | null,
        fingerprint: row.fingerprint,
        completed: JSON.parse(row.completed) as UiaSessionRow['completed'],
        expiresTs: row.expires_ts,
      }
    },

    async add(session) {
      await sql.run(
        `INSERT INTO uia_sessions (id_hash, operation, user_nid, fingerprint, completed, expires_ts)
         VALUES (?, ?, ?, ?, ?, ?)`,
        [
          session.idHash,
          session.operation,
          session.userNid,
          session.fingerprint,
          JSON.stringify(session.completed),
          session.expiresTs,
        ],
      )
    },

    async advance(before, after) {
      const changes = await sql.run(
        `UPDATE uia_sessions SET fingerprint = ?, completed = ?
         WHERE id_hash = ? AND completed = ? AND coalesce(fingerprint, '') = ?`,
        [
          after.fingerprint,
          JSON.stringify(after.completed),
          before.idHash,
          JSON.stringify(before.completed),
          before.fingerprint ?? '',
        ],
      )
      return changes > 0
    },

    async spend(session) {
      const changes = await sql.run(
        `DELETE FROM uia_sessions WHERE id_hash = ? AND completed = ? AND coalesce(fingerprint, '') = ?`,
        [session.idHash, JSON.stringify(session.completed), session.fingerprint ?? ''],
      )
      return changes > 0
    },

    async deleteExpired(ts) {
      await sql.run('DELETE FROM uia_sessions WHERE expires_ts < ?', [ts])
    },
  }
}
