import type { UserId } from '#core/ids.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { UserNid, UserStore } from '#store/types/users.ts'

export function userStore(sql: Sql): UserStore {
  const byId = sql.prepare((db, p: { userId: string }) =>
    db.selectFrom('users').select('nid').where('user_id', '=', p.userId),
  )
  const byNid = sql.prepare((db, p: { nid: number }) =>
    db.selectFrom('users').select('user_id').where('nid', '=', p.nid),
  )
  const byNids = sql.prepare((db, p: { nids: string }) =>
    db.selectFrom('users').select(['nid', 'user_id']).where('nid', 'in', sql.integers(p.nids)),
  )
  const insert = sql.prepare((db, p: { nid: number; userId: string }) =>
    db.insertInto('users').values({ nid: p.nid, user_id: p.userId }),
  )

  return {
    async nid(userId) {
      return ((await byId.get({ userId }))?.nid as UserNid | undefined) ?? null
    },

    async userId(nid) {
      const row = await byNid.get({ nid })
      if (row === undefined) throw new Error(`No user has the number ${nid}`)
      return row.user_id as UserId
    },

    async userIds(nids) {
      const rows = await byNids.all({ nids: JSON.stringify(nids) })
      return new Map(rows.map((row) => [row.nid as UserNid, row.user_id as UserId]))
    },

    async intern(userId) {
      const known = await byId.get({ userId })
      if (known !== undefined) return known.nid as UserNid
      const nid = await sql.allocate('user')
      // Another process may have given a number between the look-up and the lock that `allocate` takes.
      const since = await byId.get({ userId })
      if (since !== undefined) return since.nid as UserNid
      await insert.run({ nid, userId })
      return nid as UserNid
    },
  }
}
