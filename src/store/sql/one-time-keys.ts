import type { JsonValue } from '#core/json/value.ts'
import { textList } from '#store/sql/connection.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import { storageUse } from '#store/sql/storage-use.ts'
import type { OneTimeKeyStore } from '#store/types/one-time-keys.ts'

/** Keys given out that are remembered of a device: far more than a device ever has published. */
const CLAIMED_KEPT_MAX = 1_000

type Device = { user: number; deviceId: string }

export function oneTimeKeyStore(sql: Sql): OneTimeKeyStore {
  const use = perConnection(sql, storageUse)
  const counts = sql.prepare((db, p: Device) =>
    db
      .selectFrom('one_time_keys')
      .select((is) => ['algorithm', is.fn.countAll<number>().as('count')])
      .where('user_nid', '=', p.user)
      .where('device_id', '=', p.deviceId)
      .where('key', 'is not', null)
      .groupBy('algorithm')
      .orderBy('algorithm'),
  )
  const unusedTypes = sql.prepare((db, p: Device) =>
    db
      .selectFrom('fallback_keys')
      .select('algorithm')
      .where('user_nid', '=', p.user)
      .where('device_id', '=', p.deviceId)
      .where('used', '=', 0)
      .orderBy('algorithm'),
  )
  const known = sql.prepare((db, p: Device & { keyIds: string }) =>
    db
      .selectFrom('one_time_keys')
      .select(['algorithm', 'key_id', 'digest'])
      .where('user_nid', '=', p.user)
      .where('device_id', '=', p.deviceId)
      .where('key_id', 'in', sql.texts(p.keyIds)),
  )
  const oldest = sql.prepare((db, p: Device & { algorithm: string }) =>
    db
      .selectFrom('one_time_keys')
      .select(['id', 'key_id', 'key'])
      .where('user_nid', '=', p.user)
      .where('device_id', '=', p.deviceId)
      .where('algorithm', '=', p.algorithm)
      .where('key', 'is not', null)
      .orderBy('id')
      .limit(1),
  )
  const fallbacks = sql.prepare((db, p: Device) =>
    db
      .selectFrom('fallback_keys')
      .select(['algorithm', 'key_id', 'key'])
      .where('user_nid', '=', p.user)
      .where('device_id', '=', p.deviceId)
      .orderBy('algorithm'),
  )
  const fallback = sql.prepare((db, p: Device & { algorithm: string }) =>
    db
      .selectFrom('fallback_keys')
      .select(['key_id', 'key', 'used'])
      .where('user_nid', '=', p.user)
      .where('device_id', '=', p.deviceId)
      .where('algorithm', '=', p.algorithm),
  )

  return {
    async counts(user, deviceId) {
      const rows = await counts.all({ user, deviceId })
      return new Map(rows.map(({ algorithm, count }) => [algorithm, Number(count)]))
    },

    async unusedFallbackTypes(user, deviceId) {
      return (await unusedTypes.all({ user, deviceId })).map(({ algorithm }) => algorithm)
    },

    async fallbackKeys(user, deviceId) {
      const rows = await fallbacks.all({ user, deviceId })
      return rows.map((row) => ({
        algorithm: row.algorithm,
        keyId: row.key_id,
        key: JSON.parse(row.key) as JsonValue,
      }))
    },

    async known(user, deviceId, keyIds) {
      const rows = await known.all({ user, deviceId, keyIds: textList(keyIds) })
      return rows.map((row) => ({ algorithm: row.algorithm, keyId: row.key_id, digest: row.digest }))
    },

    async add(user, deviceId, keys) {
      await use.within(user, 'encryption_keys', async () => {
        for (const { algorithm, keyId, digest, key } of keys) {
          await sql.run(
            `INSERT INTO one_time_keys (user_nid, device_id, algorithm, key_id, digest, key) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (user_nid, device_id, algorithm, key_id) DO NOTHING`,
            [user, deviceId, algorithm, keyId, digest, JSON.stringify(key)],
          )
        }
      })
      await sql.run(
        `DELETE FROM one_time_keys WHERE user_nid = ? AND device_id = ? AND key IS NULL AND id < (
           SELECT id FROM one_time_keys WHERE user_nid = ? AND device_id = ? AND key IS NULL
           ORDER BY id DESC LIMIT 1 OFFSET ${CLAIMED_KEPT_MAX - 1})`,
        [user, deviceId, user, deviceId],
      )
    },

    async putFallback(user, deviceId, { algorithm, keyId, key }) {
      const put = () =>
        sql.run(
          `INSERT INTO fallback_keys (user_nid, device_id, algorithm, key_id, key, used) VALUES (?, ?, ?, ?, ?, 0)
           ON CONFLICT (user_nid, device_id, algorithm)
           DO UPDATE SET key_id = excluded.key_id, key = excluded.key, used = 0`,
          [user, deviceId, algorithm, keyId, JSON.stringify(key)],
        )
      await use.within(user, 'encryption_keys', put)
    },

    async claim(user, deviceId, algorithm) {
      for (;;) {
        const row = await oldest.get({ user, deviceId, algorithm })
        if (row === undefined) break
        // Another process may have taken it since: then this waits for its commit, and finds nothing to change.
        const taken = await sql.run('UPDATE one_time_keys SET key = NULL WHERE id = ? AND key IS NOT NULL', [row.id])
        if (taken === 1) return { algorithm, keyId: row.key_id, key: JSON.parse(row.key!) as JsonValue }
      }
      const row = await fallback.get({ user, deviceId, algorithm })
      if (row === undefined) return null
      if (row.used === 0) {
        await sql.run(
          'UPDATE fallback_keys SET used = 1 WHERE user_nid = ? AND device_id = ? AND algorithm = ? AND key_id = ?',
          [user, deviceId, algorithm, row.key_id],
        )
      }
      return { algorithm, keyId: row.key_id, key: JSON.parse(row.key) as JsonValue }
    },

    async forget(user, deviceId) {
      await sql.run('DELETE FROM one_time_keys WHERE user_nid = ? AND device_id = ?', [user, deviceId])
      await sql.run('DELETE FROM fallback_keys WHERE user_nid = ? AND device_id = ?', [user, deviceId])
    },
  }
}
