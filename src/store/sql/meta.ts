import type { Sql } from '#store/sql/sql.ts'
import type { MetaStore } from '#store/types/meta.ts'

const SERVER_NAME = 'server_name'
const PROBE = 'probed_ts'

export function metaStore(sql: Sql): MetaStore {
  return {
    async serverName() {
      const row = await sql.db.selectFrom('meta').select('value').where('key', '=', SERVER_NAME).executeTakeFirst()
      return row?.value ?? null
    },
    async setServerName(name) {
      await sql.run(
        'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
        [SERVER_NAME, name],
      )
    },
    async probe() {
      // Another value each time: SQLite doesn't write what stands there already.
      await sql.run(
        `INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
        [PROBE, String(sql.clock())],
      )
    },
  }
}
