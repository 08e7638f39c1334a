/** Other servers look at spaces of this one (server-server API, "Public Room Directory and Space hierarchy"). */
import type { RoomId, ServerName } from '#core/ids.ts'
import { type MatrixError, notFound } from '#core/matrix-error.ts'
import { checkServerAcl, isAllowedByAcl } from '#services/federation/server-acl.ts'
import { hasInvite, serverMayAccess } from '#services/federation/spaces/space-child-access.ts'
import {
  type DetailedSummary,
  isSuggested,
  readSpaceRoom,
  type SpaceRoom,
  summaryOf,
} from '#services/federation/spaces/space-room.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { RoomRow } from '#store/types/rooms.ts'

export type ServerHierarchy = {
  readonly room: SpaceRoom
  readonly children: readonly DetailedSummary[]
  /** Rooms that this server knows and the asking one has no way into. */
  readonly inaccessible_children: readonly RoomId[]
}

export class SpaceReads {
  readonly #store: Store

  constructor({ store }: { readonly store: Store }) {
    this.#store = store
  }

  /** A room and those directly under it. @throws M_NOT_FOUND, also for rooms that the server may not know of; M_FORBIDDEN */
  hierarchy(server: ServerName, roomId: RoomId, suggestedOnly: boolean): Promise<ServerHierarchy> {
    return this.#store.read(async (tx) => {
      const timeSlice = new TimeSlice()
      const row = await tx.rooms.byId(roomId)
      if (row === null || !row.isResident) throw roomNotFound()
      await checkServerAcl(tx, row, server)
      const whole = await readSpaceRoom(tx, row)
      if (!(await mayKnow(tx, row, whole, server))) throw roomNotFound()
      const room = suggestedOnly ? { ...whole, children_state: whole.children_state.filter(isSuggested) } : whole
      const children: DetailedSummary[] = []
      const inaccessible: RoomId[] = []
      for (const { state_key: childId } of room.children_state) {
        await timeSlice.yieldIfDue()
        const child = await tx.rooms.byId(childId)
        // "Rooms which the responding server cannot provide details on will be outright excluded."
        if (child === null || !child.isResident) continue
        const summary = summaryOf(await readSpaceRoom(tx, child))
        const isFor = (await isAllowedByAcl(tx, child.nid, server)) && (await mayKnow(tx, child, summary, server))
        if (isFor) children.push(summary)
        else inaccessible.push(childId)
      }
      return { room, children, inaccessible_children: inaccessible }
    })
  }
}

async function mayKnow(tx: ReadTx, room: RoomRow, summary: DetailedSummary, server: ServerName): Promise<boolean> {
  if (await serverMayAccess(tx, summary, server)) return true
  return (await tx.rooms.serversIn(room.nid)).has(server) || (await hasInvite(tx, room.roomId, server))
}

function roomNotFound(): MatrixError {
  return notFound('Unknown room')
}
