import type { ServerName } from '#core/ids.ts'

/** A server that requests to have failed, since the last that didn't. */
export type FailingDestination = {
  readonly server: ServerName
  /** When the first of them failed (ms). */
  readonly failingSinceTs: number
  /** How many pauses there were. */
  readonly failures: number
  /** Before this, nothing is sent to it. */
  readonly nextTryTs: number
}

export interface DestinationReader {
  /** Those whose next try comes last, at most `limit`. */
  failing(limit: number): Promise<FailingDestination[]>
}

export interface DestinationStore extends DestinationReader {
  /** Adds or replaces. */
  putFailing(destination: FailingDestination): Promise<void>
  /** The server can be reached again. */
  deleteFailing(server: ServerName): Promise<void>
  /** Forgets servers that nobody has wanted to reach since: whose next try was due before `ts`. */
  deleteFailingBefore(ts: number): Promise<void>
}
