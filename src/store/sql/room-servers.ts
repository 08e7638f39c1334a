import type { ServerName } from '#core/ids.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { RoomNid, RoomReader } from '#store/types/rooms.ts'

/** Which servers are in which rooms. */
export function roomServersReader(sql: Sql): Pick<RoomReader, 'serversIn' | 'serversAt' | 'roomsWithServer'> {
  const serversIn = sql.prepare((db, p: { room: number }) =>
    db.selectFrom('room_servers').select(['server', 'joined']).where('room_nid', '=', p.room),
  )
  const changesAfter = sql.prepare((db, p: { room: number; position: number }) =>
    db
      .selectFrom('room_server_log')
      .select(['server', 'present'])
      .where('room_nid', '=', p.room)
      .where('position', '>', p.position)
      .orderBy('position', 'desc'),
  )
  const roomsWith = sql.prepare((db, p: { server: string }) =>
    db.selectFrom('room_servers').select('room_nid').where('server', '=', p.server).orderBy('room_nid'),
  )

  return {
    async serversIn(room) {
      const rows = await serversIn.all({ room })
      return new Map(rows.map((row) => [row.server as ServerName, row.joined]))
    },

    // From the present backwards: what is asked for was mostly not long ago.
    async serversAt(room, position) {
      const servers = new Set((await serversIn.all({ room })).map((row) => row.server as ServerName))
      for (const { server, present } of await changesAfter.all({ room, position })) {
        if (present === 1) servers.delete(server as ServerName)
        else servers.add(server as ServerName)
      }
      return servers
    },

    async roomsWithServer(server) {
      return (await roomsWith.all({ server })).map((row) => row.room_nid as RoomNid)
    },
  }
}
