import type { EventId, RoomAlias, RoomId, UserId } from '#core/ids.ts'
import type { EventNid } from '#store/types/events.ts'
import type { StateId } from '#store/types/state.ts'

declare const nid: unique symbol
/** The short number of a room inside this database. */
export type RoomNid = number & { readonly [nid]: 'RoomNid' }

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
}

export interface RoomStore extends RoomReader {
  create(roomId: RoomId, version: string): Promise<RoomNid>
  setPublished(nid: RoomNid, published: boolean): Promise<void>
  /** False when the alias exists already. */
  putAlias(alias: RoomAlias, roomNid: RoomNid, creator: UserId): Promise<boolean>
  deleteAlias(alias: RoomAlias): Promise<void>
}
