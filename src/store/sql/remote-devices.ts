import { type DeviceId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { EVENT_DEPTH_MAX, parseJsonText } from '#core/json/parse.ts'
import type { JsonObject } from '#core/json/value.ts'
import { integerList } from '#store/sql/connection.ts'
import { insertInto, RowBatch } from '#store/sql/row-batch.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { RemoteDevice, RemoteDeviceList, RemoteDeviceStore } from '#store/types/remote-devices.ts'
import type { UserNid } from '#store/types/users.ts'

const DEVICE = insertInto(
  'remote_devices',
  { user_nid: 'integer', device_id: 'text', keys: 'text', display_name: 'text' },
  'ON CONFLICT (user_nid, device_id) DO UPDATE SET keys = excluded.keys, display_name = excluded.display_name',
)

type StaleRow = { user_nid: number; user_id: string; stale: number }

export function remoteDeviceStore(sql: Sql): RemoteDeviceStore {
  const listsOf = sql.prepare((db, p: { users: string }) =>
    db.selectFrom('remote_device_lists').selectAll().where('user_nid', 'in', sql.integers(p.users)),
  )
  const devicesOf = sql.prepare((db, p: { users: string }) =>
    db
      .selectFrom('remote_devices')
      .selectAll()
      .where('user_nid', 'in', sql.integers(p.users))
      .orderBy('user_nid')
      .orderBy('device_id'),
  )
  // Written by hand: with a parameter in the place of the 0, SQLite would not use the index of stale lists.
  const staleServers = `SELECT DISTINCT server FROM remote_device_lists WHERE stale > 0 AND server > ?
    ORDER BY server LIMIT ?`
  const staleLists = `SELECT list.user_nid, users.user_id, list.stale
    FROM remote_device_lists AS list JOIN users ON users.nid = list.user_nid
    WHERE list.stale > 0 AND list.server = ? AND list.user_nid > ? ORDER BY list.user_nid LIMIT ?`

  async function putDevices(user: UserNid, devices: readonly RemoteDevice[]): Promise<void> {
    const batch = new RowBatch()
    for (const { deviceId, keys, displayName } of devices) batch.add(DEVICE, user, deviceId, json(keys), displayName)
    await batch.write(sql)
  }

  return {
    async lists(users) {
      const numbers = integerList(users)
      const lists = await listsOf.all({ users: numbers })
      const devices = Map.groupBy(await devicesOf.all({ users: numbers }), (row) => row.user_nid)
      return new Map(
        lists.map((row) => {
          const list: RemoteDeviceList = {
            userNid: row.user_nid as UserNid,
            streamId: row.stream_id,
            isStale: row.stale > 0,
            master: parsed(row.master_key),
            selfSigning: parsed(row.self_signing_key),
            devices: (devices.get(row.user_nid) ?? []).map(({ device_id, keys, display_name }) => ({
              deviceId: device_id as DeviceId,
              keys: parsed(keys),
              displayName: display_name,
            })),
          }
          return [list.userNid, list]
        }),
      )
    },

    async staleServers(limit, after) {
      const rows = await sql.all<{ server: ServerName }>(staleServers, [after ?? '', limit])
      return rows.map(({ server }) => server)
    },

    async staleLists(server, limit, after) {
      const rows = await sql.all<StaleRow>(staleLists, [server, after ?? -1, limit])
      return rows.map(({ user_nid, user_id, stale }) => ({
        userNid: user_nid as UserNid,
        userId: user_id as UserId,
        marks: stale,
      }))
    },

    async markStale(user, userId) {
      // A list that was dropped and begun anew is told from the earlier one, which may still be being fetched.
      const first = (await sql.position()) + 1
      await sql.run(
        `INSERT INTO remote_device_lists (user_nid, server, stream_id, stale, master_key, self_signing_key)
         VALUES (?, ?, NULL, ?, NULL, NULL) ON CONFLICT (user_nid) DO UPDATE SET stale = remote_device_lists.stale + 1`,
        [user, serverOf(userId), first],
      )
    },

    async replace({ userNid, streamId, master, selfSigning, devices }, marks) {
      const kept = await sql.run(
        `UPDATE remote_device_lists SET stream_id = ?, stale = CASE WHEN stale = ? THEN 0 ELSE stale END,
         master_key = ?, self_signing_key = ? WHERE user_nid = ?`,
        [streamId, marks, json(master), json(selfSigning), userNid],
      )
      if (kept === 0) return false
      await sql.run('DELETE FROM remote_devices WHERE user_nid = ?', [userNid])
      await putDevices(userNid, devices)
      return true
    },

    async putDevice(user, streamId, deviceId, device) {
      await sql.run('UPDATE remote_device_lists SET stream_id = ? WHERE user_nid = ?', [streamId, user])
      if (device !== null) await putDevices(user, [device])
      else await sql.run('DELETE FROM remote_devices WHERE user_nid = ? AND device_id = ?', [user, deviceId])
    },

    async putSigningKeys(user, { master, selfSigning }) {
      await sql.run(
        `UPDATE remote_device_lists SET master_key = COALESCE(?, master_key),
         self_signing_key = COALESCE(?, self_signing_key) WHERE user_nid = ?`,
        [json(master), json(selfSigning), user],
      )
    },

    async forget(user) {
      await sql.run('DELETE FROM remote_device_lists WHERE user_nid = ?', [user])
    },
  }
}

function json(value: JsonObject | null): string | null {
  return value === null ? null : JSON.stringify(value)
}

function parsed(text: string | null): JsonObject | null {
  return text === null ? null : (parseJsonText(text, { depthMax: EVENT_DEPTH_MAX, lossless: true }) as JsonObject)
}
