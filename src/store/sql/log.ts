import type { Sql } from '#store/sql/sql.ts'
import type { LogKind, LogStore } from '#store/types/log.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

/** The kinds of log entries by their numbers in the database. Only ever appended to. */
const LOG_KINDS: readonly LogKind[] = [
  'event',
  'receipt',
  'account_data',
  'profile',
  'device_list',
  'to_device',
  'membership',
]

/** The number of a kind in the database. */
export const logKindNumber = (kind: LogKind): number => LOG_KINDS.indexOf(kind)

export function logStore(sql: Sql): LogStore {
  const between = sql.prepare((db, p: { from: number; to: number; limit: number }) =>
    db
      .selectFrom('log')
      .selectAll()
      .where('position', '>', p.from)
      .where('position', '<=', p.to)
      .orderBy('position')
      .limit(p.limit),
  )
  const followerAt = sql.prepare((db, p: { name: string }) =>
    db.selectFrom('followers').select('position').where('name', '=', p.name),
  )
  const insert = sql.prepare((db, p: { position: number; kind: number; room: number | null; user: number | null }) =>
    db.insertInto('log').values({ position: p.position, kind: p.kind, room_nid: p.room, user_nid: p.user }),
  )
  const setFollower = sql.prepare((db, p: { name: string; position: number }) =>
    db
      .insertInto('followers')
      .values({ name: p.name, position: p.position })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ position: p.position })),
  )

  return {
    async between(from, to, limit) {
      const rows = await between.all({ from, to, limit })
      return rows.map((row) => ({
        position: row.position,
        kind: LOG_KINDS[row.kind] as LogKind,
        roomNid: row.room_nid as RoomNid | null,
        userNid: row.user_nid as UserNid | null,
      }))
    },

    async followerPosition(follower) {
      return (await followerAt.get({ name: follower }))?.position ?? 0
    },

    async append(kind, { roomNid, userNid }) {
      const position = await sql.nextPosition()
      await insert.run({ position, kind: logKindNumber(kind), room: roomNid ?? null, user: userNid ?? null })
      return position
    },

    async setFollowerPosition(follower, position) {
      await setFollower.run({ name: follower, position })
    },
  }
}
