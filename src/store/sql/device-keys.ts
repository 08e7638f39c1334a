import type { DeviceId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { integerList } from '#store/sql/connection.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import { storageUse } from '#store/sql/storage-use.ts'
import type { DeviceKeysStore } from '#store/types/device-keys.ts'
import type { UserNid } from '#store/types/users.ts'

export function deviceKeysStore(sql: Sql): DeviceKeysStore {
  const use = perConnection(sql, storageUse)
  const one = sql.prepare((db, p: { user: number; deviceId: string }) =>
    db.selectFrom('device_keys').select('keys').where('user_nid', '=', p.user).where('device_id', '=', p.deviceId),
  )
  const ofUsers = sql.prepare((db, p: { users: string }) =>
    db
      .selectFrom('device_keys as k')
      .innerJoin('devices as d', (join) =>
        join.onRef('d.user_nid', '=', 'k.user_nid').onRef('d.device_id', '=', 'k.device_id'),
      )
      .select(['k.user_nid', 'k.device_id', 'k.keys', 'd.display_name'])
      .where('k.user_nid', 'in', sql.integers(p.users))
      .orderBy('k.user_nid')
      .orderBy('k.device_id'),
  )

  return {
    async get(user, deviceId) {
      const row = await one.get({ user, deviceId })
      return row === undefined ? null : (JSON.parse(row.keys) as JsonObject)
    },

    async ofUsers(users) {
      if (users.length === 0) return []
      return (await ofUsers.all({ users: integerList(users) })).map((row) => ({
        userNid: row.user_nid as UserNid,
        deviceId: row.device_id as DeviceId,
        keys: JSON.parse(row.keys) as JsonObject,
        displayName: row.display_name,
      }))
    },

    async put(user, deviceId, keys) {
      const put = () =>
        sql.run(
          `INSERT INTO device_keys (user_nid, device_id, keys) VALUES (?, ?, ?)
           ON CONFLICT (user_nid, device_id) DO UPDATE SET keys = excluded.keys`,
          [user, deviceId, JSON.stringify(keys)],
        )
      await use.within(user, 'encryption_keys', put)
    },
  }
}
