/** Finds rooms for users of this server, here or elsewhere, as far as they may know of them. */
import { domainOf, type RoomId, type ServerName } from '#core/ids.ts'
import type { JsonValue } from '#core/json/value.ts'
import { type MatrixError, notFound } from '#core/matrix-error.ts'
import type { RemoteRoom, RemoteRooms } from '#services/federation/spaces/remote-rooms.ts'
import { userMayAccess, type Viewer } from '#services/federation/spaces/space-child-access.ts'
import {
  type DetailedSummary,
  readSpaceRoom,
  type SpaceRoom,
  summaryOf,
} from '#services/federation/spaces/space-room.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { Membership } from '#store/types/memberships.ts'

type Deps = { readonly store: Store; readonly remoteRooms: RemoteRooms }

const NO_CHILDREN = new Map<RoomId, DetailedSummary>()
const NONE = new Set<RoomId>()

export class RoomLookup {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * The room as the user may know of it; null where they may not, or nobody tells.
   *
   * @param viewer null for someone without an account, for whose sake no other server is asked
   * @param via servers to ask where this one isn't in the room
   * @param known what another server said of the room without being asked for it
   */
  async find(
    viewer: Viewer | null,
    roomId: RoomId,
    via: readonly JsonValue[],
    known?: DetailedSummary,
  ): Promise<RemoteRoom | null> {
    const { store, remoteRooms } = this.#deps
    const here = await store.read((tx) => findHere(tx, viewer, roomId))
    if (here !== 'elsewhere') return here === null ? null : { room: here, children: NO_CHILDREN, inaccessible: NONE }
    if (viewer === null) return null
    const isWhole = known !== undefined && known.room_type !== 'm.space'
    const asked = isWhole ? null : await remoteRooms.room(roomId, via)
    const room = asked?.room ?? (known === undefined ? null : { ...known, children_state: [] })
    if (room === null) return null
    const may = await store.read(async (tx) => userMayAccess(tx, room, viewer, await membershipIn(tx, viewer, roomId)))
    if (!may) return null
    return { room, children: asked?.children ?? NO_CHILDREN, inaccessible: asked?.inaccessible ?? NONE }
  }

  /**
   * One room's summary, with the user's membership (client-server API, `GET /room_summary/{roomIdOrAlias}`).
   *
   * @throws M_NOT_FOUND, also for rooms that the user may not know of
   */
  async summary(
    viewer: Viewer | null,
    roomId: RoomId,
    via: readonly ServerName[],
  ): Promise<DetailedSummary & { readonly membership?: Membership }> {
    const domain = domainOf(roomId)
    const found = await this.find(viewer, roomId, [...via, ...(domain === null ? [] : [domain])])
    if (found === null) throw roomNotFound()
    const summary = summaryOf(found.room)
    if (viewer === null) return summary
    const membership = await this.#deps.store.read((tx) => membershipIn(tx, viewer, roomId))
    return { ...summary, membership: membership ?? 'leave' }
  }
}

/** The room by its state here; null where the user may not know of it. */
async function findHere(tx: ReadTx, viewer: Viewer | null, roomId: RoomId): Promise<SpaceRoom | null | 'elsewhere'> {
  const row = await tx.rooms.byId(roomId)
  if (row === null || !row.isResident) return 'elsewhere'
  const room = await readSpaceRoom(tx, row)
  const membership = viewer === null ? null : await membershipIn(tx, viewer, roomId)
  return (await userMayAccess(tx, room, viewer, membership)) ? room : null
}

async function membershipIn(tx: ReadTx, { userNid }: Viewer, roomId: RoomId): Promise<Membership | null> {
  const row = await tx.rooms.byId(roomId)
  return row === null ? null : ((await tx.memberships.one(userNid, row.nid))?.membership ?? null)
}

function roomNotFound(): MatrixError {
  return notFound('Room not found')
}
