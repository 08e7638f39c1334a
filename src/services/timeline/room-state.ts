import type { RoomId, UserId } from '#core/ids.ts'
import { type JsonObject, member } from '#core/json/value.ts'
import { forbidden } from '#core/matrix-error.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import { type ClientEvents, membershipIn, type Viewer } from '#services/timeline/client-events.ts'
import { accessOfJoined, accessToRoom, type RoomAccess, readableEvents } from '#services/timeline/room-access.ts'
import { rankOfToken } from '#services/timeline/token-rank.ts'
import { parseToken } from '#services/timeline/tokens.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { EventRow } from '#store/types/events.ts'
import type { Membership } from '#store/types/memberships.ts'
import type { StateId } from '#store/types/state.ts'

export type MembersRequest = {
  /** A token of either kind: the members as of then; null for as of now. */
  readonly at: string | null
  /** With both, members who fulfil one of them: "the two parameters create an 'or' condition". */
  readonly membership: Membership | null
  readonly notMembership: Membership | null
}

/** Clients rely on both members being there, null where the user has none. */
export type JoinedMember = { readonly display_name: string | null; readonly avatar_url: string | null }

type Deps = { readonly store: Store; readonly clientEvents: ClientEvents }

/** Reads rooms' state for their users. Who left sees the state at their leaving. */
export class RoomState {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** The whole state. @throws M_FORBIDDEN */
  all(viewer: Viewer, roomId: RoomId): Promise<JsonObject[]> {
    return this.#deps.store.read(async (tx) => {
      const { stateId } = await accessToRoom(tx, roomId, viewer)
      return this.#serialise(tx, await stateEvents(tx, stateId), viewer)
    })
  }

  /** One event of the state: its content, or the event in the client format; null where it isn't. @throws M_FORBIDDEN */
  one(
    viewer: Viewer,
    roomId: RoomId,
    key: { readonly type: string; readonly stateKey: string },
    format: 'content' | 'event',
  ): Promise<JsonObject | null> {
    return this.#deps.store.read(async (tx) => {
      const { stateId } = await accessToRoom(tx, roomId, viewer)
      const nid = await tx.state.get(stateId, key.type, key.stateKey)
      const row = nid === null ? undefined : (await tx.events.byNids([nid])).get(nid)
      if (row === undefined) return null
      if (format === 'content') return row.event.content
      const [event = {}] = await this.#serialise(tx, [row], viewer)
      return event
    })
  }

  /** Member events. @throws M_FORBIDDEN, also for a point in time that the viewer may not see; M_INVALID_PARAM */
  members(viewer: Viewer, roomId: RoomId, request: MembersRequest): Promise<JsonObject[]> {
    return this.#deps.store.read(async (tx) => {
      const access = await accessToRoom(tx, roomId, viewer)
      const stateId = request.at === null ? access.stateId : await stateAtToken(tx, access, request.at)
      const rows = await stateEvents(tx, stateId, ['m.room.member'])
      return this.#serialise(
        tx,
        rows.filter((row) => isWanted(row, request)),
        viewer,
      )
    })
  }

  /** Who is joined, with their profiles in the room. @throws M_FORBIDDEN for all who aren't joined themselves */
  joinedMembers(viewer: Viewer, roomId: RoomId): Promise<Readonly<Record<UserId, JoinedMember>>> {
    return this.#deps.store.read(async (tx) => {
      const { stateId } = await accessOfJoined(tx, roomId, viewer)
      const joined = Object.create(null) as Record<UserId, JoinedMember>
      const timeSlice = new TimeSlice()
      for (const { event } of await stateEvents(tx, stateId, ['m.room.member'])) {
        await timeSlice.yieldIfDue()
        if (membershipIn(event.content) === 'join') joined[event.stateKey as UserId] = profileIn(event.content)
      }
      return joined
    })
  }

  #serialise(tx: ReadTx, rows: readonly EventRow[], viewer: Viewer): Promise<JsonObject[]> {
    return this.#deps.clientEvents.serialise(tx, rows, viewer, { withRoomId: true })
  }
}

/** The events of a state; `types` narrows it. */
export async function stateEvents(tx: ReadTx, state: StateId, types?: readonly string[]): Promise<EventRow[]> {
  const nids = (await tx.state.entries(state, types)).map(({ eventNid }) => eventNid)
  const events = await tx.events.byNids(nids)
  const timeSlice = new TimeSlice()
  const rows: EventRow[] = []
  for (const nid of nids) {
    await timeSlice.yieldIfDue()
    const row = events.get(nid)
    if (row !== undefined) rows.push(row)
  }
  return rows
}

/**
 * The state at a token's place. The event just before or just after it must be one that the user may read: who sees an
 * event sees the state around it, as `/sync` gives it for the start of a timeline.
 */
async function stateAtToken(tx: ReadTx, access: RoomAccess, text: string): Promise<StateId> {
  const room = access.room.nid
  const token = parseToken(text)
  const rank = Math.min(await rankOfToken(tx, room, text), access.untilRank)
  const [before] = await tx.events.timeline({ room, direction: 'backwards', beforeRank: rank + 1, limit: 1 })
  const [after] = await tx.events.timeline({ room, direction: 'forwards', afterRank: rank, limit: 1 })
  const [readable] = await readableEvents(
    tx,
    access,
    [before, after].filter((row) => row !== undefined),
  )
  if (readable === undefined) throw forbidden("You aren't allowed to see the room's members as of then")
  // Between events the state can change by resolution: only positions tell these moments apart.
  if (token.kind === 'stream') return tx.state.at(room, Math.min(token.position, access.until))
  return readable === before ? before.stateAfter : readable.stateBefore
}

function isWanted({ event }: EventRow, { membership, notMembership }: MembersRequest): boolean {
  if (membership === null && notMembership === null) return true
  const actual = membershipIn(event.content)
  return actual === membership || (notMembership !== null && actual !== notMembership)
}

/** Members may hold anything in these fields; only text is told. */
function profileIn(content: JsonObject): JoinedMember {
  const name = member(content, 'displayname')
  const avatar = member(content, 'avatar_url')
  return {
    display_name: typeof name === 'string' ? name : null,
    avatar_url: typeof avatar === 'string' ? avatar : null,
  }
}
