import { keptObject } from '#store/sql/kept-json.ts'
import { logStore } from '#store/sql/log.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import { insertInto, RowBatch } from '#store/sql/row-batch.ts'
import type { Sql } from '#store/sql/sql.ts'
import { storageUse } from '#store/sql/storage-use.ts'
import { ALL_DEVICES, type ToDeviceStore } from '#store/types/to-device.ts'
import type { UserNid } from '#store/types/users.ts'

const MESSAGE = insertInto('to_device_messages', {
  user_nid: 'integer',
  device_id: 'text',
  position: 'integer',
  event: 'text',
})

/** What may wait for each device also where the total of its user is reached. */
const RESERVED_MESSAGES = 200
const RESERVED_BYTES = 262_144

type Due = { readonly deviceId: string; readonly event: string }

export function toDeviceStore(sql: Sql): ToDeviceStore {
  const log = perConnection(sql, logStore)
  const use = perConnection(sql, storageUse)
  const waiting = sql.prepare((db, p: { user: number; device: string; to: number; limit: number }) =>
    db
      .selectFrom('to_device_messages')
      .select(['position', 'event'])
      .where('user_nid', '=', p.user)
      .where('device_id', '=', p.device)
      .where('position', '<=', p.to)
      .orderBy('position')
      .limit(p.limit),
  )
  const devicesOf = sql.prepare((db, p: { user: number }) =>
    db.selectFrom('devices').select('device_id').where('user_nid', '=', p.user).orderBy('device_id'),
  )
  const first = sql.prepare((db, p: { user: number; device: string; limit: number }) =>
    db
      .selectFrom('to_device_messages')
      .select((is) => is.fn<number>('octet_length', ['event']).as('bytes'))
      .where('user_nid', '=', p.user)
      .where('device_id', '=', p.device)
      .limit(p.limit),
  )
  const acknowledge = sql.prepare((db, p: { user: number; device: string; upTo: number }) =>
    db
      .deleteFrom('to_device_messages')
      .where('user_nid', '=', p.user)
      .where('device_id', '=', p.device)
      .where('position', '<=', p.upTo),
  )

  /**
   * Where a user's total is reached, a device that has fetched what waited for it still gets messages: one that is
   * never used again fills the total, and must not cut off the others.
   */
  async function thatFit(user: UserNid, due: readonly Due[]): Promise<readonly Due[]> {
    const bytes = due.reduce((sum, { deviceId, event }) => sum + messageBytes(deviceId, event), 0)
    if (bytes <= (await use.room(user, 'to_device'))) return due
    const fitting: Due[] = []
    for (const one of due) {
      const waiting = await first.all({ user, device: one.deviceId, limit: RESERVED_MESSAGES })
      const waitingBytes = waiting.reduce((sum, row) => sum + row.bytes, Buffer.byteLength(one.event))
      if (waiting.length < RESERVED_MESSAGES && waitingBytes <= RESERVED_BYTES) fitting.push(one)
    }
    return fitting
  }

  return {
    async waiting(user, deviceId, to, limit) {
      const rows = await waiting.all({ user, device: deviceId, to, limit })
      return rows.map(({ position, event }) => ({ position, event: keptObject(event) }))
    },

    async put(user, messages) {
      const forOthers = messages.get(ALL_DEVICES)
      const due = (await devicesOf.all({ user })).flatMap(({ device_id: deviceId }) => {
        const event = messages.get(deviceId) ?? forOthers
        return event === undefined ? [] : { deviceId, event: JSON.stringify(event) }
      })
      const fitting = await thatFit(user, due)
      if (fitting.length === 0) return due.length === 0 ? 'no device' : 'full'
      const position = await log.append('to_device', { userNid: user })
      const batch = new RowBatch()
      for (const { deviceId, event } of fitting) batch.add(MESSAGE, user, deviceId, position, event)
      await batch.write(sql)
      return position
    },

    async acknowledge(user, deviceId, upTo) {
      await acknowledge.run({ user, device: deviceId, upTo })
    },

    async addTransaction({ userNid, deviceId, eventType, txnId }) {
      const added = await sql.run(
        `INSERT INTO to_device_transactions (user_nid, device_id, event_type, txn_id, ts) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (user_nid, device_id, event_type, txn_id) DO NOTHING`,
        [userNid, deviceId, eventType, txnId, sql.clock()],
      )
      return added > 0
    },

    async forgetTransactions(before) {
      await sql.run('DELETE FROM to_device_transactions WHERE ts < ?', [before])
    },

    async addMessageId(origin, messageId) {
      const added = await sql.run(
        `INSERT INTO to_device_message_ids (server, message_id, ts) VALUES (?, ?, ?)
         ON CONFLICT (server, message_id) DO NOTHING`,
        [origin, messageId, sql.clock()],
      )
      return added > 0
    },

    async forgetMessageIds(before) {
      await sql.run('DELETE FROM to_device_message_ids WHERE ts < ?', [before])
    },
  }
}

/** No less than the trigger counts. */
function messageBytes(deviceId: string, event: string): number {
  return 100 + Buffer.byteLength(deviceId) + Buffer.byteLength(event)
}
