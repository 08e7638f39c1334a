import type { Sql } from '#store/sql/sql.ts'
import type { MetaStore } from '#store/types/meta.ts'

const SERVER_NAME = 'server_name'

export function metaStore(sql: Sql): MetaStore {
  return {
    async serverName() {
      const row = await sql.db.selectFrom('meta').select('value').where('key', '=', SERVER_NAME).executeTakeFirst()
      return row?.value ?? null
    },
    async setServerName(name) {
      await sql.db.insertInto('meta').values({ key: SERVER_NAME, value: name }).execute()
    },
  }
}
