import { integerList } from '#store/sql/connection.ts'
import { membershipNumber } from '#store/sql/membership-numbers.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

const JOIN = membershipNumber('join')
/** Shares no other room than the one given with any user of this server. */
const UNSHARED = `NOT EXISTS (
  SELECT 1 FROM memberships AS m JOIN rooms AS r ON r.nid = m.room_nid
  WHERE m.user_nid = remote_device_lists.user_nid AND m.membership = ${JOIN} AND m.room_nid <> ? AND r.local_joined > 0)`

/**
 * Drops the copies of device lists whose owners share no room with this server any more: their servers tell it of no
 * further changes, so that what is known would grow old unnoticed.
 */
export class UnsharedLists {
  readonly #sql: Sql
  readonly #ofDeparted
  readonly #ofRoom: string

  constructor(sql: Sql) {
    this.#sql = sql
    const numbers =
      sql.dialect === 'sqlite' ? 'SELECT value FROM json_each(?)' : 'SELECT json_array_elements_text(?::json)::bigint'
    this.#ofDeparted = `DELETE FROM remote_device_lists WHERE user_nid IN (${numbers}) AND ${UNSHARED}`
    this.#ofRoom = `DELETE FROM remote_device_lists
      WHERE user_nid IN (SELECT user_nid FROM memberships WHERE room_nid = ? AND membership = ${JOIN}) AND ${UNSHARED}`
  }

  /** These users of other servers aren't in the room any more. */
  async departed(room: RoomNid, users: readonly UserNid[]): Promise<void> {
    if (users.length > 0) await this.#sql.run(this.#ofDeparted, [integerList(users), room])
  }

  /** So many more users of this server are in the room, fewer where it is below zero. */
  async localChange(room: RoomNid, change: number): Promise<void> {
    if (change >= 0) return
    const row = await this.#sql.get<{ local_joined: number }>('SELECT local_joined FROM rooms WHERE nid = ?', [room])
    if ((row?.local_joined ?? 0) + change <= 0) await this.#sql.run(this.#ofRoom, [room, room])
  }
}
