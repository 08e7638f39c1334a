import { jsonText } from '#core/json/text.ts'
import { isJsonObject, type JsonArray, type JsonObject, type JsonValue } from '#core/json/value.ts'
import * as rows from '#store/sql/append-rows.ts'
import { addLogEntry, ENTRY_BYTES } from '#store/sql/log.ts'
import { MembershipWriter } from '#store/sql/membership-writer.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import { RowBatch } from '#store/sql/row-batch.ts'
import type { Sql } from '#store/sql/sql.ts'
import { userStore } from '#store/sql/users.ts'
import type { OutOfBandMembership } from '#store/types/memberships.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid, UserStore } from '#store/types/users.ts'

/** Memberships in rooms that this server has no copy of: see MembershipStore.setOutOfBand. */
export class OutOfBandMemberships {
  readonly #sql: Sql
  readonly #users: UserStore
  readonly #memberships: MembershipWriter
  readonly #stripped

  constructor(sql: Sql) {
    this.#sql = sql
    this.#users = perConnection(sql, userStore)
    this.#memberships = new MembershipWriter(sql)
    this.#stripped = sql.prepare((db, p: { user: number; room: number }) =>
      db.selectFrom('stripped_states').select('events').where('user_nid', '=', p.user).where('room_nid', '=', p.room),
    )
  }

  async stripped(user: UserNid, room: RoomNid): Promise<JsonObject[] | null> {
    const row = await this.#stripped.get({ user, room })
    if (row === undefined) return null
    // Whatever an earlier version or an import let in must not stand in the way of those who read it.
    const entries = JSON.parse(row.events) as JsonValue
    return Array.isArray(entries) ? (entries as JsonArray).filter(isJsonObject) : []
  }

  async set({ user, room, membership, eventNid, stripped }: OutOfBandMembership): Promise<number> {
    const userId = await this.#users.userId(user)
    await this.#lock(room)
    const position = await this.#sql.nextPosition()
    const batch = new RowBatch()
    const change = { userId, eventNid, membership, position }
    const { joined, invited, localJoined } = await this.#memberships.write(room, [change], batch)
    const entry = {
      position,
      kind: 'membership',
      roomNid: room,
      userNid: user,
      event: null,
      bytes: ENTRY_BYTES,
    } as const
    addLogEntry(this.#sql, batch, entry)
    await batch.write(this.#sql)
    await this.#sql.run(
      'UPDATE rooms SET joined = joined + ?, invited = invited + ?, local_joined = local_joined + ? WHERE nid = ?',
      [joined, invited, localJoined, room],
    )
    // After the batch, which takes away what an earlier membership left.
    await this.#sql.run(rows.STRIPPED_STATE.single, [user, room, jsonText(stripped)])
    return position
  }

  /** Rooms are locked before the counters. */
  async #lock(room: RoomNid): Promise<void> {
    const lock = this.#sql.dialect === 'postgres' ? ' FOR UPDATE' : ''
    const row = await this.#sql.get(`SELECT nid FROM rooms WHERE nid = ?${lock}`, [room])
    if (row === undefined) throw new Error(`No room has the number ${room}`)
  }
}
