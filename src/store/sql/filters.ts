import type { JsonObject } from '#core/json/value.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import { storageUse } from '#store/sql/storage-use.ts'
import type { FilterStore } from '#store/types/filters.ts'
import type { UserNid } from '#store/types/users.ts'

export function filterStore(sql: Sql): FilterStore {
  const use = perConnection(sql, storageUse)

  async function find(user: UserNid, hash: string): Promise<number | null> {
    const row = await sql.get<{ id: number }>('SELECT id FROM filters WHERE user_nid = ? AND hash = ?', [user, hash])
    return row?.id ?? null
  }

  return {
    find,

    async get(user, filterId) {
      const row = await sql.get<{ content: string }>('SELECT content FROM filters WHERE user_nid = ? AND id = ?', [
        user,
        filterId,
      ])
      return row === undefined ? null : (JSON.parse(row.content) as JsonObject)
    },

    async put(user, hash, content) {
      const known = await find(user, hash)
      if (known !== null) return known
      const last = await sql.get<{ id: number | null }>('SELECT MAX(id) AS id FROM filters WHERE user_nid = ?', [user])
      const id = (last?.id ?? 0) + 1
      const row = [user, id, hash, JSON.stringify(content)]
      const add = () => sql.run('INSERT INTO filters (user_nid, id, hash, content) VALUES (?, ?, ?, ?)', row)
      await use.within(user, 'filters', add)
      return id
    },
  }
}
