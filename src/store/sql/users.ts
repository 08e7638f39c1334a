import type { UserId } from '#core/ids.ts'
import { lru } from '#store/lru.ts'
import { CommittedCache } from '#store/sql/committed-cache.ts'
import { integerList } from '#store/sql/connection.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { UserNid, UserStore } from '#store/types/users.ts'

const USERS_CACHED_MAX = 50_000
const makeNids = () => lru<UserId, UserNid>(USERS_CACHED_MAX)
const cachedNids = (sql: Sql) => new CommittedCache<UserId, UserNid>(sql, sql.shared(makeNids))
const makeIds = () => lru<UserNid, UserId>(USERS_CACHED_MAX)
const cachedIds = (sql: Sql) => new CommittedCache<UserNid, UserId>(sql, sql.shared(makeIds))

export function userStore(sql: Sql): UserStore {
  const nids = perConnection(sql, cachedNids)
  const ids = perConnection(sql, cachedIds)
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

  async function nidOf(userId: UserId): Promise<UserNid | null> {
    const cached = nids.get(userId)
    if (cached !== undefined) return cached
    const row = await byId.get({ userId })
    if (row === undefined) return null
    nids.found(userId, row.nid as UserNid)
    return row.nid as UserNid
  }

  return {
    nid: nidOf,

    async userId(nid) {
      const cached = ids.get(nid)
      if (cached !== undefined) return cached
      const row = await byNid.get({ nid })
      if (row === undefined) throw new Error(`No user has the number ${nid}`)
      ids.found(nid, row.user_id as UserId)
      return row.user_id as UserId
    },

    async userIds(wanted) {
      const found = new Map<UserNid, UserId>()
      const unknown: UserNid[] = []
      for (const nid of wanted) {
        const cached = ids.get(nid)
        if (cached === undefined) unknown.push(nid)
        else found.set(nid, cached)
      }
      if (unknown.length === 0) return found
      for (const row of await byNids.all({ nids: integerList(unknown) })) {
        ids.found(row.nid as UserNid, row.user_id as UserId)
        found.set(row.nid as UserNid, row.user_id as UserId)
      }
      return found
    },

    async intern(userId) {
      const known = await nidOf(userId)
      if (known !== null) return known
      const nid = (await sql.allocate('user')) as UserNid
      // Another process may have given a number between the look-up and the lock that `allocate` takes.
      const since = await nidOf(userId)
      if (since !== null) return since
      await insert.run({ nid, userId })
      nids.wrote(userId, nid)
      ids.wrote(nid, userId)
      return nid
    },
  }
}
