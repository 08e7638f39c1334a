import type { Generated } from 'kysely'

export interface LogTables {
  /** One row a stream position: see store/types/log.ts. `kind` is a number of `LOG_KINDS`. */
  log: { position: number; kind: number; room_nid: number | null; user_nid: number | null }
  /** How far each follower of the log has come. */
  followers: { name: string; position: number; fence: Generated<number> }
}
