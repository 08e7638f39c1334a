import type { DeviceId } from '#core/ids.ts'
import { keptObject } from '#store/sql/kept-json.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import { storageUse } from '#store/sql/storage-use.ts'
import type { DehydratedDeviceStore } from '#store/types/dehydrated-devices.ts'

export function dehydratedDeviceStore(sql: Sql): DehydratedDeviceStore {
  const use = perConnection(sql, storageUse)
  const ofUser = sql.prepare((db, p: { user: number }) =>
    db.selectFrom('dehydrated_devices').select(['device_id', 'data']).where('user_nid', '=', p.user),
  )
  const messages = sql.prepare((db, p: { user: number; deviceId: string; from: number; limit: number }) =>
    db
      .selectFrom('to_device_messages')
      .select(['position', 'event'])
      .where('user_nid', '=', p.user)
      .where('device_id', '=', p.deviceId)
      .where('position', '>', p.from)
      .orderBy('position')
      .limit(p.limit),
  )

  return {
    async get(user) {
      const row = await ofUser.get({ user })
      if (row === undefined) return null
      return { deviceId: row.device_id as DeviceId, data: keptObject(row.data) }
    },

    async messages(user, deviceId, from, limit) {
      const rows = await messages.all({ user, deviceId, from, limit })
      return rows.map(({ position, event }) => ({ position, event: keptObject(event) }))
    },

    async put(user, { deviceId, data }) {
      const row = [user, deviceId, JSON.stringify(data)]
      const put = () => sql.run('INSERT INTO dehydrated_devices (user_nid, device_id, data) VALUES (?, ?, ?)', row)
      await use.within(user, 'encryption_keys', put)
    },
  }
}
