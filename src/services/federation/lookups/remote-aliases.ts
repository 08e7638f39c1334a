/** Aliases of any server, for users of this one. */
import { fitsIdLimit, type RoomAlias, type RoomId, type ServerName, serverOf } from '#core/ids.ts'
import { isJsonObject, type JsonValue, member } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { isServerName } from '#core/server-name.ts'
import type { UserReads } from '#services/federation/reads/user-reads.ts'
import { remoteError } from '#services/federation/remote-error.ts'
import type { FederationClient } from '#services/federation/transport/federation-client.ts'

export type AliasTarget = { readonly room_id: RoomId; readonly servers: readonly ServerName[] }

type Deps = {
  readonly client: Pick<FederationClient, 'request'>
  readonly userReads: UserReads
  readonly serverName: ServerName
}

const TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 1024 * 1024
const SERVERS_MAX = 50

export class RemoteAliases {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** The room and servers to join it by. @throws M_NOT_FOUND; 502 where the alias's server can't be asked */
  async resolve(alias: RoomAlias): Promise<AliasTarget> {
    const { client, userReads, serverName } = this.#deps
    const destination = serverOf(alias)
    if (destination === serverName) return userReads.directory(alias)
    const uri = `/_matrix/federation/v1/query/directory?room_alias=${encodeURIComponent(alias)}`
    const reply = await client.request({
      destination,
      method: 'GET',
      uri,
      timeoutMs: TIMEOUT_MS,
      bytesMax: ANSWER_BYTES_MAX,
      // A user waits for it, and there is no other server to ask.
      evenWhilePaused: true,
    })
    if (reply.outcome !== 'answered') throw remoteError(destination, reply)
    const target = parseTarget(reply.json)
    if (target === null) throw new MatrixError('M_UNKNOWN', `${destination} gave no usable answer`, { status: 502 })
    // The server of the alias need not be in the room, but others may be down: it comes last.
    return { ...target, servers: [...new Set([...target.servers, destination])] }
  }
}

function parseTarget(json: JsonValue): AliasTarget | null {
  const roomId = isJsonObject(json) ? member(json, 'room_id') : undefined
  const listed = isJsonObject(json) ? member(json, 'servers') : undefined
  if (typeof roomId !== 'string' || !roomId.startsWith('!') || !fitsIdLimit(roomId)) return null
  const servers = (Array.isArray(listed) ? (listed as readonly JsonValue[]) : []).filter(
    (server): server is ServerName => typeof server === 'string' && isServerName(server),
  )
  return { room_id: roomId as RoomId, servers: servers.slice(0, SERVERS_MAX) }
}
