import type { JsonObject } from '#core/json/value.ts'
import { integerList } from '#store/sql/connection.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import { storageUse } from '#store/sql/storage-use.ts'
import type { CrossSigningKeyStore, CrossSigningUsage } from '#store/types/cross-signing-keys.ts'
import type { UserNid } from '#store/types/users.ts'

export function crossSigningKeyStore(sql: Sql): CrossSigningKeyStore {
  const use = perConnection(sql, storageUse)
  const ofUsers = sql.prepare((db, p: { users: string }) =>
    db
      .selectFrom('cross_signing_keys')
      .selectAll()
      .where('user_nid', 'in', sql.integers(p.users))
      .orderBy('user_nid')
      .orderBy('usage'),
  )

  return {
    async ofUsers(users) {
      if (users.length === 0) return []
      return (await ofUsers.all({ users: integerList(users) })).map((row) => ({
        userNid: row.user_nid as UserNid,
        usage: row.usage as CrossSigningUsage,
        publicKey: row.public_key,
        key: JSON.parse(row.key) as JsonObject,
      }))
    },

    async put({ userNid, usage, publicKey, key }) {
      const put = () =>
        sql.run(
          `INSERT INTO cross_signing_keys (user_nid, usage, public_key, key) VALUES (?, ?, ?, ?)
           ON CONFLICT (user_nid, usage) DO UPDATE SET public_key = excluded.public_key, key = excluded.key`,
          [userNid, usage, publicKey, JSON.stringify(key)],
        )
      await use.within(userNid, 'encryption_keys', put)
    },

    async delete(user, usages) {
      for (const usage of usages) {
        await sql.run('DELETE FROM cross_signing_keys WHERE user_nid = ? AND usage = ?', [user, usage])
      }
    },
  }
}
