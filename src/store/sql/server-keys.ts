import type { ServerName } from '#core/ids.ts'
import { textList } from '#store/sql/connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { ServerKeyDocument, ServerKeyRow, ServerKeyStore } from '#store/types/server-keys.ts'

type DocumentRow = { json: string; valid_until_ts: number; fetched_ts: number }

export function serverKeyStore(sql: Sql): ServerKeyStore {
  const keysOf: ServerKeyStore['keysOf'] = async (servers) => {
    const rows = await sql.db
      .selectFrom('server_keys')
      .selectAll()
      .where('server', 'in', sql.texts(textList(servers)))
      .execute()
    const found = new Map<ServerName, ServerKeyRow[]>()
    for (const row of rows) {
      const server = row.server as ServerName
      const key = {
        keyId: row.key_id,
        key: new Uint8Array(row.public_key),
        validUntilTs: row.valid_until_ts,
        expiredTs: row.expired_ts,
      }
      const keys = found.get(server)
      if (keys === undefined) found.set(server, [key])
      else keys.push(key)
    }
    return found
  }

  const putDocument = (server: ServerName, age: number, { json, validUntilTs, fetchedTs }: ServerKeyDocument) =>
    sql.run(
      `INSERT INTO server_key_documents (server, age, json, valid_until_ts, fetched_ts) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (server, age) DO UPDATE SET json = excluded.json, valid_until_ts = excluded.valid_until_ts,
         fetched_ts = excluded.fetched_ts`,
      [server, age, json, validUntilTs, fetchedTs],
    )

  return {
    keysOf,

    async documents(server) {
      const rows = await sql.all<DocumentRow>('SELECT * FROM server_key_documents WHERE server = ? ORDER BY age', [
        server,
      ])
      return rows.map((row) => ({ json: row.json, validUntilTs: row.valid_until_ts, fetchedTs: row.fetched_ts }))
    },

    async put(server, keys, documents) {
      const refused: string[] = []
      for (const { keyId, key, validUntilTs, expiredTs } of keys) {
        // The condition keeps an id with its first key, whoever else writes at the same time.
        const changed = await sql.run(
          `INSERT INTO server_keys (server, key_id, public_key, valid_until_ts, expired_ts) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (server, key_id) DO UPDATE SET valid_until_ts = excluded.valid_until_ts,
             expired_ts = excluded.expired_ts WHERE server_keys.public_key = excluded.public_key`,
          [server, keyId, key, validUntilTs, expiredTs],
        )
        if (changed === 0) refused.push(keyId)
      }
      for (const [age, document] of documents.entries()) await putDocument(server, age, document)
      await sql.run('DELETE FROM server_key_documents WHERE server = ? AND age >= ?', [server, documents.length])
      return refused
    },
  }
}
