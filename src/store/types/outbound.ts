import type { ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'

/** A server that lacks something. */
export type BehindDestination = {
  readonly server: ServerName
  /** It has been sent all events up to this position. */
  readonly position: number
  /** The position of the last event that is for it. */
  readonly duePosition: number
}

export type QueuedEdu = { readonly id: number; readonly edu: JsonObject }

export interface OutboundReader {
  /** Up to which position a server has been sent all events that are for it; null before the first was due. */
  position(destination: ServerName): Promise<number | null>
  /** Servers with events or EDUs to send, by name, those after `after`; at most `limit`. */
  behind(limit: number, after?: ServerName): Promise<BehindDestination[]>
  /** The oldest EDUs queued for a server, in order, at most `limit`. */
  edus(destination: ServerName, limit: number): Promise<QueuedEdu[]>
  eduCount(destination: ServerName): Promise<number>
}

/** How far each other server has been told what concerns it. */
export interface OutboundStore extends OutboundReader {
  /**
   * An event at `position` is for these servers. Of one that is new here, everything before counts as sent. Positions
   * only go forward.
   */
  setDue(destinations: readonly ServerName[], position: number): Promise<void>
  /** A server has been sent everything up to `position`. */
  setPosition(destination: ServerName, position: number): Promise<void>
  /** Queues an EDU that must arrive, even after a restart. */
  queueEdu(destination: ServerName, edu: JsonObject): Promise<void>
  dropEdus(ids: readonly number[]): Promise<void>
}
