import type { DeviceId, UserId } from '#core/ids.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { AccessTokenStore } from '#store/types/access-tokens.ts'
import type { UserNid } from '#store/types/users.ts'

export function accessTokenStore(sql: Sql): AccessTokenStore {
  const ownerOf = sql.prepare((db, p: { hash: string }) =>
    db
      .selectFrom('access_tokens as t')
      .innerJoin('accounts as a', 'a.user_nid', 't.user_nid')
      .innerJoin('users as u', 'u.nid', 't.user_nid')
      .select(['t.nid', 't.user_nid', 't.device_id', 't.expires_ts', 't.used', 'a.guest', 'a.admin', 'u.user_id'])
      .where('t.access_hash', '=', p.hash)
      .where('a.deactivated_ts', 'is', null),
  )
  const byRefresh = sql.prepare((db, p: { hash: string }) =>
    db
      .selectFrom('access_tokens')
      .select(['nid', 'user_nid', 'device_id', 'used', 'spent'])
      .where('refresh_hash', '=', p.hash),
  )

  return {
    async owner(accessHash) {
      const row = await ownerOf.get({ hash: accessHash })
      if (row === undefined) return null
      return {
        tokenNid: row.nid,
        userNid: row.user_nid as UserNid,
        userId: row.user_id as UserId,
        deviceId: row.device_id as DeviceId,
        guest: row.guest === 1,
        admin: row.admin === 1,
        expiresTs: row.expires_ts,
        used: row.used === 1,
      }
    },

    async byRefreshHash(refreshHash) {
      const row = await byRefresh.get({ hash: refreshHash })
      if (row === undefined) return null
      return {
        tokenNid: row.nid,
        userNid: row.user_nid as UserNid,
        deviceId: row.device_id as DeviceId,
        used: row.used === 1,
        spent: row.spent === 1,
      }
    },

    async issue(pair) {
      const row = await sql.get<{ nid: number }>(
        `INSERT INTO access_tokens
           (user_nid, device_id, access_hash, refresh_hash, parent_nid, expires_ts, used, spent, created_ts)
         VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?) RETURNING nid`,
        [
          pair.userNid,
          pair.deviceId,
          pair.accessHash,
          pair.refreshHash,
          pair.parentNid,
          pair.expiresTs,
          pair.parentNid === null,
          pair.createdTs,
        ],
      )
      if (row === undefined) throw new Error('The new token pair got no number')
      return row.nid
    },

    async markUsed(tokenNid) {
      await sql.run('UPDATE access_tokens SET used = 1 WHERE nid = ?', [tokenNid])
      await sql.run(
        'UPDATE access_tokens SET spent = 1 WHERE nid = (SELECT c.parent_nid FROM access_tokens AS c WHERE c.nid = ?)',
        [tokenNid],
      )
    },

    async deleteUnusedChildren(tokenNid) {
      await sql.run('DELETE FROM access_tokens WHERE parent_nid = ? AND used = 0', [tokenNid])
    },

    async pruneSpent(user, deviceId, keep) {
      await sql.run(
        `DELETE FROM access_tokens WHERE user_nid = ? AND device_id = ? AND spent = 1 AND nid NOT IN (
           SELECT k.nid FROM access_tokens AS k WHERE k.user_nid = ? AND k.device_id = ? AND k.spent = 1
           ORDER BY k.nid DESC LIMIT ?)`,
        [user, deviceId, user, deviceId, keep],
      )
    },

    async deleteOfDevice(user, deviceId) {
      await sql.run('DELETE FROM access_tokens WHERE user_nid = ? AND device_id = ?', [user, deviceId])
    },
  }
}
