import type { ServerName } from '#core/ids.ts'
import type { RateLimiter } from '#services/rate-limits/rate-limiter.ts'
import type { ForeignAliases } from '#services/rooms/directory/foreign-aliases.ts'
import type { PublicationRule } from '#services/rooms/directory/publication.ts'
import type { DraftDeps } from '#services/rooms/queue/room-draft.ts'
import type { RoomQueues } from '#services/rooms/queue/room-queues.ts'

/** Settings of the configuration's `rooms` section that these services follow. */
export type RoomSettings = {
  readonly defaultVersion: string
  /** Whether users may make aliases for rooms that they aren't in. */
  readonly aliasesWithoutMembership: boolean
  /** Who may put which rooms into the list of published ones. */
  readonly publication: readonly PublicationRule[]
}

/** What all services of rooms are built of. */
export type RoomContext = DraftDeps & {
  readonly serverName: ServerName
  readonly queues: RoomQueues
  readonly limiter: RateLimiter
  readonly foreignAliases: ForeignAliases
  readonly settings: RoomSettings
}
