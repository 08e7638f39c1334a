import type { ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { EventNid } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

/** The newest event of a room that is for a server and that it has not been sent. */
export type MissedEvent = {
  readonly destination: ServerName
  readonly roomNid: RoomNid
  readonly eventNid: EventNid
  /** Where the log told of the event, or of its passing on. */
  readonly position: number
}

export type QueuedEdu = { readonly id: number; readonly edu: JsonObject }

/** An EDU after which earlier ones of its topic say nothing that matters. */
export type LatestEdu = { readonly topic: string; readonly edu: JsonObject }

export interface OutboundReader {
  /** What a server missed, one event a room, in order of position; at most `limit`. */
  missed(destination: ServerName, limit: number): Promise<MissedEvent[]>
  /** Servers that missed events or that EDUs wait for, by name, those after `after`; at most `limit`. */
  behind(limit: number, after?: ServerName): Promise<ServerName[]>
  /** The oldest EDUs queued for a server, in order, at most `limit`. */
  edus(destination: ServerName, limit: number): Promise<QueuedEdu[]>
  /** Those of these EDUs that are still queued, in order. */
  edusOf(ids: readonly number[]): Promise<QueuedEdu[]>
  eduCount(destination: ServerName): Promise<number>
}

/**
 * What other servers have yet to be told. A server that keeps up needs no row: it stands where the follower of the log
 * stands that sends to it.
 */
export interface OutboundStore extends OutboundReader {
  /** Of a server and room that have a missed event already, the one with the later position stays. */
  addMissed(events: readonly MissedEvent[]): Promise<void>
  /** They have been sent. A newer one of the same room stays. */
  dropMissed(events: readonly MissedEvent[]): Promise<void>
  /** Queues an EDU that must arrive, even after a restart; `sender` is the local user whose message it is, if any. */
  queueEdu(destination: ServerName, edu: JsonObject, sender?: UserNid): Promise<void>
  /** Queues an EDU for many servers, and for each drops what it was to be told of the same topic before. */
  queueLatest(destinations: ReadonlySet<ServerName>, latest: LatestEdu): Promise<void>
  dropEdus(ids: readonly number[]): Promise<void>
}
