import type { JsonObject } from '#core/json/value.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { FilterStore } from '#store/types/filters.ts'

export function filterStore(sql: Sql): FilterStore {
  return {
    async get(user, filterId) {
      const row = await sql.get<{ content: string }>('SELECT content FROM filters WHERE user_nid = ? AND id = ?', [
        user,
        filterId,
      ])
      return row === undefined ? null : (JSON.parse(row.content) as JsonObject)
    },

    async put(user, hash, content) {
      const known = await sql.get<{ id: number }>('SELECT id FROM filters WHERE user_nid = ? AND hash = ?', [
        user,
        hash,
      ])
      if (known !== undefined) return known.id
      const last = await sql.get<{ id: number | null }>('SELECT MAX(id) AS id FROM filters WHERE user_nid = ?', [user])
      const id = (last?.id ?? 0) + 1
      await sql.run('INSERT INTO filters (user_nid, id, hash, content) VALUES (?, ?, ?, ?)', [
        user,
        id,
        hash,
        JSON.stringify(content),
      ])
      return id
    },
  }
}
