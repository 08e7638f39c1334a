import type { UserId } from '#core/ids.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { AccountStore } from '#store/types/accounts.ts'

export function accountStore(sql: Sql): AccountStore {
  const byUser = sql.prepare((db, p: { user: number }) =>
    db
      .selectFrom('accounts')
      .innerJoin('users', 'users.nid', 'accounts.user_nid')
      .selectAll('accounts')
      .select('users.user_id')
      .where('accounts.user_nid', '=', p.user),
  )

  return {
    async get(user) {
      const row = await byUser.get({ user })
      if (row === undefined) return null
      return {
        userNid: user,
        userId: row.user_id as UserId,
        guest: row.guest === 1,
        admin: row.admin === 1,
        passwordHash: row.password_hash,
        createdTs: row.created_ts,
        deactivatedTs: row.deactivated_ts,
        erased: row.erased === 1,
      }
    },

    async any() {
      return (await sql.get('SELECT 1 FROM accounts LIMIT 1')) !== undefined
    },

    async anyAdmin() {
      return (await sql.get('SELECT 1 FROM accounts WHERE admin = 1 LIMIT 1')) !== undefined
    },

    async create(account) {
      const changes = await sql.run(
        `INSERT INTO accounts (user_nid, guest, admin, password_hash, created_ts, deactivated_ts, erased, departing)
         VALUES (?, ?, ?, ?, ?, NULL, 0, 0) ON CONFLICT (user_nid) DO NOTHING`,
        [account.userNid, account.guest, account.admin, account.passwordHash, account.createdTs],
      )
      return changes === 1
    },

    async upgradeGuest(user, passwordHash) {
      const changes = await sql.run(
        'UPDATE accounts SET guest = 0, password_hash = ? WHERE user_nid = ? AND guest = 1 AND deactivated_ts IS NULL',
        [passwordHash, user],
      )
      return changes === 1
    },

    async setPasswordHash(user, passwordHash) {
      await sql.run('UPDATE accounts SET password_hash = ? WHERE user_nid = ?', [passwordHash, user])
    },

    async deactivate(user, ts, erase) {
      await sql.run(
        `UPDATE accounts SET password_hash = NULL, admin = 0, departing = 1, deactivated_ts = COALESCE(deactivated_ts, ?),
           erased = CASE WHEN ? = 1 THEN 1 ELSE erased END
         WHERE user_nid = ?`,
        [ts, erase, user],
      )
    },

    async departing(limit) {
      const rows = await sql.all<{ user_id: string }>(
        `SELECT u.user_id FROM accounts AS a JOIN users AS u ON u.nid = a.user_nid
         WHERE a.departing = 1 ORDER BY a.user_nid LIMIT ?`,
        [limit],
      )
      return rows.map((row) => row.user_id as UserId)
    },

    async setDeparted(user) {
      await sql.run('UPDATE accounts SET departing = 0 WHERE user_nid = ?', [user])
    },
  }
}
