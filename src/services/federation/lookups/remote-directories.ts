/** Other servers' lists of rooms (server-server API, "Public Room Directory"). */
import { fitsIdLimit, type ServerName } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { remoteError } from '#services/federation/remote-error.ts'
import type { FederationClient, FederationRequest } from '#services/federation/transport/federation-client.ts'

/** A client's request, as it goes on to the other server. */
export type RemoteDirectoryQuery = {
  readonly limit?: number | undefined
  readonly since?: string | undefined
  /** With any of these, the list is asked for by POST. */
  readonly search?: JsonObject | undefined
}

const TIMEOUT_MS = 20_000
const ANSWER_BYTES_MAX = 4 * 1024 * 1024
const ROOMS_MAX = 500
const PATH = '/_matrix/federation/v1/publicRooms'

export class RemoteDirectories {
  readonly #client: Pick<FederationClient, 'request'>

  constructor({ client }: { readonly client: Pick<FederationClient, 'request'> }) {
    this.#client = client
  }

  /** A page of its list. @throws M_FORBIDDEN, M_NOT_FOUND as that server says; 502 where it can't be asked */
  async list(destination: ServerName, query: RemoteDirectoryQuery): Promise<JsonObject> {
    const { limit, since, search } = query
    const page = {
      ...(limit !== undefined && { limit: Math.min(limit, ROOMS_MAX) }),
      ...(since !== undefined && { since }),
    }
    const request: Pick<FederationRequest, 'method' | 'uri' | 'body'> =
      search === undefined
        ? { method: 'GET', uri: withQuery(page) }
        : { method: 'POST', uri: PATH, body: { ...page, ...search } }
    const reply = await this.#client.request({
      ...request,
      destination,
      timeoutMs: TIMEOUT_MS,
      bytesMax: ANSWER_BYTES_MAX,
    })
    if (reply.outcome !== 'answered') throw remoteError(destination, reply)
    const list = isJsonObject(reply.json) ? usable(reply.json) : null
    if (list === null) throw new MatrixError('M_UNKNOWN', `${destination} gave no usable answer`, { status: 502 })
    return list
  }
}

function withQuery(page: Readonly<Record<string, string | number>>): string {
  const query = new URLSearchParams(Object.entries(page).map(([key, value]) => [key, String(value)]))
  return query.size === 0 ? PATH : `${PATH}?${query}`
}

const TEXTS = ['name', 'topic', 'canonical_alias', 'avatar_url', 'room_type', 'join_rule', 'room_version']

/** What clients rely on, of the right type; null for what is no list. */
function usable(json: JsonObject): JsonObject | null {
  const chunk = member(json, 'chunk')
  if (!Array.isArray(chunk)) return null
  const total = member(json, 'total_room_count_estimate')
  const tokens = ['next_batch', 'prev_batch'].filter((key) => typeof member(json, key) === 'string')
  return {
    chunk: (chunk as readonly JsonValue[]).slice(0, ROOMS_MAX).flatMap(usableRoom),
    ...Object.fromEntries(tokens.map((key) => [key, member(json, key) as JsonValue])),
    ...(Number.isSafeInteger(total) && { total_room_count_estimate: total as number }),
  }
}

function usableRoom(room: JsonValue): JsonObject[] {
  if (!isJsonObject(room)) return []
  const roomId = member(room, 'room_id')
  if (typeof roomId !== 'string' || !roomId.startsWith('!') || !fitsIdLimit(roomId)) return []
  const joined = member(room, 'num_joined_members')
  const texts = TEXTS.filter((key) => typeof member(room, key) === 'string')
  return [
    {
      room_id: roomId,
      num_joined_members: Number.isSafeInteger(joined) ? (joined as number) : 0,
      world_readable: member(room, 'world_readable') === true,
      guest_can_join: member(room, 'guest_can_join') === true,
      ...Object.fromEntries(texts.map((key) => [key, member(room, key) as JsonValue])),
    },
  ]
}
