import type { Config } from '#config/schema.ts'
import type { ServerName } from '#core/ids.ts'

/** The server whose list is asked for, unless it is this one. */
export function otherServer(server: ServerName | undefined, config: Config): ServerName | null {
  return server === undefined || server === config.server_name ? null : server
}
