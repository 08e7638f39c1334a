import type { Config } from '#config/schema.ts'
import { forbidden } from '#core/matrix-error.ts'

/** Refuses to show the list of rooms to other servers unless the operator wants it. */
export function checkPublicListIsAllowed(config: Config): void {
  if (!config.rooms.public_list_over_federation) throw forbidden("This server doesn't show its list of rooms to others")
}
