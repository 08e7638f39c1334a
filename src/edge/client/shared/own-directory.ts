import type { Config } from '#config/schema.ts'
import { forbidden } from '#core/matrix-error.ts'

/** Refuses to ask another server for its list of rooms: this one doesn't federate. */
export function checkListOfThisServer(server: string | undefined, config: Config): void {
  if (server !== undefined && server !== config.server_name) throw forbidden(`This server can't ask ${server}`)
}
