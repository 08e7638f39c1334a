import type { JsonValue } from '#core/json/value.ts'
import { logStore } from '#store/sql/log.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import { storageUse } from '#store/sql/storage-use.ts'
import type { ProfileStore } from '#store/types/profiles.ts'
import type { UserNid } from '#store/types/users.ts'

export function profileStore(sql: Sql): ProfileStore {
  const log = logStore(sql)
  const use = perConnection(sql, storageUse)
  const ofUsers = sql.prepare((db, p: { users: string }) =>
    db
      .selectFrom('profile_fields')
      .select(['user_nid', 'field', 'value'])
      .where('user_nid', 'in', sql.integers(p.users))
      .where('value', 'is not', null),
  )
  const between = sql.prepare((db, p: { from: number; to: number }) =>
    db
      .selectFrom('profile_fields')
      .selectAll()
      .where('position', '>', p.from)
      .where('position', '<=', p.to)
      .orderBy('position'),
  )

  async function getMany(users: readonly UserNid[]): Promise<Map<UserNid, Map<string, JsonValue>>> {
    const profiles = new Map<UserNid, Map<string, JsonValue>>()
    for (const row of await ofUsers.all({ users: JSON.stringify(users) })) {
      const user = row.user_nid as UserNid
      const fields = profiles.get(user) ?? new Map<string, JsonValue>()
      if (row.value !== null) fields.set(row.field, JSON.parse(row.value) as JsonValue)
      profiles.set(user, fields)
    }
    return profiles
  }

  return {
    async get(user) {
      return (await getMany([user])).get(user) ?? new Map()
    },

    getMany,

    async changes(from, to) {
      const rows = await between.all({ from, to })
      return rows.map((row) => ({
        userNid: row.user_nid as UserNid,
        field: row.field,
        value: row.value === null ? undefined : (JSON.parse(row.value) as JsonValue),
        position: row.position,
      }))
    },

    async set(user, field, value) {
      const position = await log.append('profile', { userNid: user })
      const put = () =>
        sql.run(
          `INSERT INTO profile_fields (user_nid, field, value, position) VALUES (?, ?, ?, ?)
           ON CONFLICT (user_nid, field) DO UPDATE SET value = excluded.value, position = excluded.position`,
          [user, field, value === undefined ? null : JSON.stringify(value), position],
        )
      await use.within(user, 'profile', put)
      return position
    },
  }
}
