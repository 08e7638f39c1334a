import { LOG_ROW } from '#store/sql/append-rows.ts'
import type { RowBatch } from '#store/sql/row-batch.ts'
import type { Sql } from '#store/sql/sql.ts'
import { type CommittedEntry, type LogKind, type LogStore, LostLeaseError } from '#store/types/log.ts'
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

/** About so much memory an entry takes without its event. */
export const ENTRY_BYTES = 100

/** Adds the entry's row to the batch, and tells the followers of it after the commit. */
export function addLogEntry(sql: Sql, batch: RowBatch, entry: CommittedEntry): void {
  batch.add(LOG_ROW, entry.position, logKindNumber(entry.kind), entry.roomNid, entry.userNid)
  sql.logged(entry)
}

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

  const claim = sql.prepare((db, p: { name: string }) =>
    db
      .insertInto('followers')
      .values({ name: p.name, position: 0, fence: 1 })
      .onConflict((conflict) => conflict.column('name').doUpdateSet((is) => ({ fence: is('followers.fence', '+', 1) })))
      .returning(['position', 'fence']),
  )
  const move = sql.prepare((db, p: { name: string; fence: number; position: number }) =>
    db.updateTable('followers').set({ position: p.position }).where('name', '=', p.name).where('fence', '=', p.fence),
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
      const about = { roomNid: roomNid ?? null, userNid: userNid ?? null }
      await insert.run({ position, kind: logKindNumber(kind), room: about.roomNid, user: about.userNid })
      sql.logged({ position, kind, ...about, event: null, bytes: ENTRY_BYTES })
      return position
    },

    async setFollowerPosition(follower, position) {
      await setFollower.run({ name: follower, position })
    },

    async claimFollower(follower) {
      const row = await claim.get({ name: follower })
      if (row === undefined) throw new Error(`The follower ${follower} could not be claimed`)
      return { lease: { follower, fence: row.fence }, position: row.position }
    },

    async moveFollower(lease, position) {
      const moved = await move.run({ name: lease.follower, fence: lease.fence, position })
      if (moved === 0) throw new LostLeaseError(lease)
    },
  }
}
