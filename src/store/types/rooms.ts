import type { EventId, RoomAlias, RoomId, ServerName, UserId } from '#core/ids.ts'
import type { EventNid, RoomNid } from '#store/types/numbers.ts'
import type { ClaimedState, StateId } from '#store/types/state.ts'

export type { RoomNid } from '#store/types/numbers.ts'

export type RoomRow = {
  readonly nid: RoomNid
  readonly roomId: RoomId
  readonly version: string
  /** Counts the appends to this room; an append names the number that it was computed on. */
  readonly headSeq: number
  /** The current state. */
  readonly stateId: StateId
  /** The greatest rank given so far. */
  readonly rankMax: number
  /** Position of the last timeline event, 0 before the first. */
  readonly lastPosition: number
  /** Listed in this server's room directory. */
  readonly published: boolean
  /**
   * Some user of this server is joined, so that what is stored of the room is kept up to date. A room without that is
   * one that all have left, or one that this server only knows from an invite, a knock or a look from outside.
   */
  readonly isResident: boolean
  /** Set while the state before the join is still being fetched. */
  readonly partial: PartialState | null
}

/** A room joined without its full state ("partial state"). */
export type PartialState = {
  readonly joinEvent: EventId
  /** The joins of membership periods that ended before their state was complete, oldest first. */
  readonly earlierJoins?: readonly EventId[]
  /** The servers in the room, as the join's answer named them. */
  readonly servers: readonly ServerName[]
}

/** A forward extremity: an event that no other event of ours cites yet. */
export type Extremity = {
  readonly nid: EventNid
  readonly eventId: EventId
  readonly depth: number
  readonly generation: number
  readonly stateAfter: StateId
}

export type AliasRow = { readonly alias: RoomAlias; readonly roomNid: RoomNid; readonly creator: UserId }

export interface RoomReader {
  byId(roomId: RoomId): Promise<RoomRow | null>
  byNid(nid: RoomNid): Promise<RoomRow | null>
  roomIds(nids: readonly RoomNid[]): Promise<Map<RoomNid, RoomId>>
  extremities(nid: RoomNid): Promise<Extremity[]>
  alias(alias: RoomAlias): Promise<AliasRow | null>
  aliases(nid: RoomNid): Promise<AliasRow[]>
  /** Published rooms by number of joined members, most first, then by nid; `after` is the last one of the page before. */
  published(limit: number, after: { joined: number; nid: RoomNid } | null): Promise<{ room: RoomRow; joined: number }[]>
  publishedCount(): Promise<number>
  /** How many joined members each server has by the current state; this server's own too. None has 0. */
  serversIn(nid: RoomNid): Promise<Map<ServerName, number>>
  /**
   * The servers with a joined member after what happened at `position`. Cheap for positions not long ago. A departing
   * server is in the room before its last leave event only, a new one only after its join.
   */
  serversAt(nid: RoomNid, position: number): Promise<Set<ServerName>>
  /** The rooms in which a server has a joined member by their current states, by nid. */
  roomsWithServer(server: ServerName): Promise<RoomNid[]>
  /** Rooms with partial state, by nid. */
  partialRooms(): Promise<RoomRow[]>
  /** What other servers said of the state at an event, as `putClaimedState` has kept it; null where nothing is. */
  claimedState(nid: RoomNid, eventId: EventId): Promise<ClaimedState | null>
}

export interface RoomStore extends RoomReader {
  create(roomId: RoomId, version: string): Promise<RoomNid>
  /** Corrects the version of a room that has no events in its timeline: an invite's claim was wrong. */
  setVersion(nid: RoomNid, version: string): Promise<void>
  /** null, the end of the partial state, forgets what `putClaimedState` has kept. */
  setPartial(nid: RoomNid, partial: PartialState | null): Promise<void>
  /** Keeps what others told, for an event of a room with partial state: it is judged by that once more. */
  putClaimedState(nid: RoomNid, eventId: EventId, told: ClaimedState): Promise<void>
  /**
   * Makes these events the room's extremities instead of those that it has: before the append of a rejoin, or after
   * events were judged again. Counts as an append.
   * @returns the new `headSeq`
   */
  replaceExtremities(nid: RoomNid, eventNids: readonly EventNid[]): Promise<number>
  setPublished(nid: RoomNid, published: boolean): Promise<void>
  /** False when the alias exists already. */
  putAlias(alias: RoomAlias, roomNid: RoomNid, creator: UserId): Promise<boolean>
  deleteAlias(alias: RoomAlias): Promise<void>
}
