import type { DeviceId } from '#core/ids.ts'
import { keySignatureStore } from '#store/sql/key-signatures.ts'
import { logStore } from '#store/sql/log.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import { storageUse } from '#store/sql/storage-use.ts'
import type { DevicesTables } from '#store/sql/tables/devices.ts'
import type { DeviceListChange, DeviceRow, DeviceStore } from '#store/types/devices.ts'
import type { UserNid } from '#store/types/users.ts'

type Row = {
  device_id: string
  display_name: string | null
  created_ts: number
  last_seen_ts: number | null
  last_seen_ip: string | null
}

function device(row: Row): DeviceRow {
  return {
    deviceId: row.device_id as DeviceId,
    displayName: row.display_name,
    createdTs: row.created_ts,
    lastSeenTs: row.last_seen_ts,
    lastSeenIp: row.last_seen_ip,
  }
}

function listChange(row: DevicesTables['device_list_changes']): DeviceListChange {
  const { position, user_nid: userNid, device_id: deviceId } = row
  return { position, userNid: userNid as UserNid, deviceId: deviceId as DeviceId | null }
}

export function deviceStore(sql: Sql): DeviceStore {
  const log = logStore(sql)
  const keySignatures = keySignatureStore(sql)
  const use = perConnection(sql, storageUse)
  const byId = sql.prepare((db, p: { user: number; deviceId: string }) =>
    db.selectFrom('devices').selectAll().where('user_nid', '=', p.user).where('device_id', '=', p.deviceId),
  )
  const ofUser = sql.prepare((db, p: { user: number }) =>
    db.selectFrom('devices').selectAll().where('user_nid', '=', p.user).orderBy('device_id'),
  )
  const changed = sql.prepare((db, p: { from: number; to: number }) =>
    db
      .selectFrom('device_list_changes')
      .select((eb) => ['user_nid', eb.fn.max('position').as('position')])
      .where('position', '>', p.from)
      .where('position', '<=', p.to)
      .groupBy('user_nid')
      .orderBy('position'),
  )

  // Accounts are this server's users.
  const ownChanges = sql.prepare((db, p: { from: number; to: number; limit: number }) =>
    db
      .selectFrom('device_list_changes as change')
      .innerJoin('accounts', 'accounts.user_nid', 'change.user_nid')
      .select(['change.position', 'change.user_nid', 'change.device_id'])
      .where('change.position', '>', p.from)
      .where('change.position', '<=', p.to)
      .orderBy('change.position')
      .limit(p.limit),
  )
  const changeBefore = sql.prepare((db, p: { user: number; position: number }) =>
    db
      .selectFrom('device_list_changes')
      .selectAll()
      .where('user_nid', '=', p.user)
      .where('position', '<', p.position)
      .where('device_id', 'is not', null)
      .orderBy('position', 'desc')
      .limit(1),
  )

  async function recordListChange(user: UserNid, deviceId: DeviceId | null): Promise<number> {
    const position = await log.append('device_list', { userNid: user })
    await sql.run('INSERT INTO device_list_changes (position, user_nid, device_id) VALUES (?, ?, ?)', [
      position,
      user,
      deviceId,
    ])
    return position
  }

  return {
    async get(user, deviceId) {
      const row = await byId.get({ user, deviceId })
      return row === undefined ? null : device(row)
    },

    async list(user) {
      return (await ofUser.all({ user })).map(device)
    },

    async listChanges(from, to) {
      const rows = await changed.all({ from, to })
      return rows.map((row) => ({ userNid: row.user_nid as UserNid, position: row.position }))
    },

    async ownListChanges(from, to, limit) {
      return (await ownChanges.all({ from, to, limit })).map(listChange)
    },

    async deviceChangeBefore(user, position) {
      const row = await changeBefore.get({ user, position })
      return row === undefined ? null : listChange(row)
    },

    async create(user, { deviceId, displayName, createdTs }) {
      const add = () =>
        sql.run(
          `INSERT INTO devices (user_nid, device_id, display_name, created_ts, last_seen_ts, last_seen_ip)
           VALUES (?, ?, ?, ?, NULL, NULL) ON CONFLICT (user_nid, device_id) DO NOTHING`,
          [user, deviceId, displayName, createdTs],
        )
      await use.within(user, 'devices', add)
      await recordListChange(user, deviceId)
    },

    async rename(user, deviceId, displayName) {
      const changes = await sql.run('UPDATE devices SET display_name = ? WHERE user_nid = ? AND device_id = ?', [
        displayName,
        user,
        deviceId,
      ])
      if (changes > 0) await recordListChange(user, deviceId)
    },

    async delete(user, deviceIds) {
      const deleted = await sql.db
        .deleteFrom('devices')
        .where('user_nid', '=', user)
        .where('device_id', 'in', sql.texts(JSON.stringify(deviceIds)))
        .returning('device_id')
        .execute()
      if (deleted.length === 0) return 0
      await keySignatures.forget(user, deviceIds)
      for (const { device_id } of deleted) await recordListChange(user, device_id as DeviceId)
      return deleted.length
    },

    async touch(seen) {
      for (const { userNid, deviceId, ts, ip } of seen) {
        await sql.run('UPDATE devices SET last_seen_ts = ?, last_seen_ip = ? WHERE user_nid = ? AND device_id = ?', [
          ts,
          ip,
          userNid,
          deviceId,
        ])
      }
    },

    recordListChange,
  }
}
