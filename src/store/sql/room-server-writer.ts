import type { ServerName } from '#core/ids.ts'
import * as rows from '#store/sql/append-rows.ts'
import { textList } from '#store/sql/connection.ts'
import { Pauses } from '#store/sql/pauses.ts'
import type { RowBatch } from '#store/sql/row-batch.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** A user joined (1) or left (-1). */
export type JoinedChange = { readonly server: ServerName; readonly change: 1 | -1; readonly position: number }

/** Counts the joined members of each server in a room. */
export class RoomServerWriter {
  readonly #counts

  constructor(sql: Sql) {
    this.#counts = sql.prepare((db, p: { room: number; servers: string }) =>
      db
        .selectFrom('room_servers')
        .select(['server', 'joined'])
        .where('room_nid', '=', p.room)
        .where('server', 'in', sql.texts(p.servers)),
    )
  }

  /** @param changes in order of position */
  async write(room: RoomNid, changes: readonly JoinedChange[], batch: RowBatch): Promise<void> {
    const ofServers = Map.groupBy(changes, ({ server }) => server)
    if (ofServers.size === 0) return
    const found = await this.#counts.all({ room, servers: textList(ofServers.keys()) })
    const before = new Map(found.map((row) => [row.server, row.joined]))
    const pauses = new Pauses()
    for (const [server, ownChanges] of ofServers) {
      let joined = before.get(server) ?? 0
      for (const [position, there] of Map.groupBy(ownChanges, (change) => change.position)) {
        if (pauses.due()) await pauses.pause()
        const was = joined
        for (const { change } of there) joined += change
        if (was > 0 !== joined > 0) batch.add(rows.ROOM_SERVER_LOG, room, position, server, joined > 0)
      }
      if (joined > 0) batch.add(rows.ROOM_SERVER, room, server, joined)
      else if (before.has(server)) batch.add(rows.NO_ROOM_SERVER, room, server)
    }
  }
}
