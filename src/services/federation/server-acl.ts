/** A room's server access control list, asked about another server (server-server API, "Server Access Control Lists"). */
import { compileServerAcl, type ServerAcl } from '#core/acl.ts'
import type { ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { forbidden } from '#core/matrix-error.ts'
import type { ReadTx } from '#store/store.ts'
import type { RoomNid, RoomRow } from '#store/types/rooms.ts'

/** Lists are compiled once as long as the store keeps their event at hand. */
const compiled = new WeakMap<JsonObject, ServerAcl>()

/** Whether the room's current list lets a server take part. */
export async function isAllowedByAcl(tx: ReadTx, room: RoomNid, server: ServerName): Promise<boolean> {
  const nid = await tx.state.currentOne(room, 'm.room.server_acl', '')
  const content = nid === null ? undefined : (await tx.events.byNids([nid])).get(nid)?.event.content
  if (content === undefined) return true
  let acl = compiled.get(content)
  if (acl === undefined) {
    acl = compileServerAcl(content)
    compiled.set(content, acl)
  }
  return acl.allows(server)
}

/** @throws M_FORBIDDEN where the room's current list shuts the server out */
export async function checkServerAcl(tx: ReadTx, room: Pick<RoomRow, 'nid'>, server: ServerName): Promise<void> {
  if (!(await isAllowedByAcl(tx, room.nid, server))) throw forbidden('This server is not allowed in the room')
}
