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

    async put(session) {
      await sql.run(
        `INSERT INTO uia_sessions (id_hash, operation, user_nid, fingerprint, completed, expires_ts)
         VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (id_hash) DO UPDATE SET operation = excluded.operation, user_nid = excluded.user_nid,
           fingerprint = excluded.fingerprint, completed = excluded.completed, expires_ts = excluded.expires_ts`,
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

    async deleteExpired(ts) {
      await sql.run('DELETE FROM uia_sessions WHERE expires_ts < ?', [ts])
    },
  }
}
