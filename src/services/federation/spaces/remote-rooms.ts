/** Rooms that this server isn't in, as servers in them describe them. */
import { fitsIdLimit, isRoomAlias, type RoomId, type ServerName } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { isServerName } from '#core/server-name.ts'
import { ExpiringCache } from '#services/federation/discovery/expiring-cache.ts'
import {
  CHILDREN_MAX,
  type ChildState,
  type DetailedSummary,
  inOrder,
  MEGOLM,
  type SpaceRoom,
} from '#services/federation/spaces/space-room.ts'
import type { FederationClient } from '#services/federation/transport/federation-client.ts'

/** A room and what the same answer said of those directly under it. */
export type RemoteRoom = {
  readonly room: SpaceRoom
  readonly children: ReadonlyMap<RoomId, DetailedSummary>
  /** "Should not be re-requested." */
  readonly inaccessible: ReadonlySet<RoomId>
}

type Deps = {
  readonly client: Pick<FederationClient, 'request'>
  readonly serverName: ServerName
  readonly clock: () => number
}

/** "Responses to this endpoint should be cached for a period of time." */
const HELD_MS = 5 * 60_000
const UNKNOWN_HELD_MS = 60_000
const CACHED_MAX = 1_000
/** Servers that are asked, one after another, for one room. */
const SERVERS_MAX = 3
const TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 4 * 1024 * 1024
const TEXT_LENGTH_MAX = 4_096

export class RemoteRooms {
  readonly #deps: Deps
  #rooms: ExpiringCache<RemoteRoom | null>

  constructor(deps: Deps) {
    this.#deps = deps
    this.#rooms = new ExpiringCache(CACHED_MAX, deps.clock)
  }

  /** Forgets what others told: since this server has come into a room, they may tell what they refused before. */
  forget(): void {
    this.#rooms = new ExpiringCache(CACHED_MAX, this.#deps.clock)
  }

  /** null where none of the servers (the first few that are any) tells. */
  room(roomId: RoomId, via: readonly JsonValue[]): Promise<RemoteRoom | null> {
    const { serverName, clock } = this.#deps
    const names = via.filter((name): name is ServerName => typeof name === 'string' && isServerName(name))
    const servers = [...new Set(names)].filter((server) => server !== serverName).slice(0, SERVERS_MAX)
    if (servers.length === 0) return Promise.resolve(null)
    // By whom it is asked for doesn't matter to what a server in the room knows, but to whether one is found.
    return this.#rooms.get(`${roomId} ${servers.join(' ')}`, async () => {
      const room = await this.#ask(roomId, servers)
      return { value: room, untilTs: clock() + (room === null ? UNKNOWN_HELD_MS : HELD_MS) }
    })
  }

  async #ask(roomId: RoomId, servers: readonly ServerName[]): Promise<RemoteRoom | null> {
    for (const destination of servers) {
      const reply = await this.#deps.client.request({
        destination,
        method: 'GET',
        uri: `/_matrix/federation/v1/hierarchy/${encodeURIComponent(roomId)}?suggested_only=false`,
        timeoutMs: TIMEOUT_MS,
        bytesMax: ANSWER_BYTES_MAX,
      })
      const room = reply.outcome === 'answered' ? parseAnswer(roomId, reply.json) : null
      if (room !== null) return room
    }
    return null
  }
}

function parseAnswer(roomId: RoomId, json: JsonValue): RemoteRoom | null {
  if (!isJsonObject(json)) return null
  const room = parseSummary(member(json, 'room'))
  if (room === null || room.room_id !== roomId) return null
  const children = new Map<RoomId, DetailedSummary>()
  for (const entry of listIn(json, 'children')) {
    const summary = parseSummary(entry)
    if (summary !== null) children.set(summary.room_id, summary)
  }
  const inaccessible = listIn(json, 'inaccessible_children').filter((entry) => typeof entry === 'string')
  return {
    room: { ...room, children_state: parseChildren(listIn(member(json, 'room') as JsonObject, 'children_state')) },
    children,
    inaccessible: new Set(inaccessible as RoomId[]),
  }
}

function listIn(object: JsonObject, key: string): readonly JsonValue[] {
  const list = member(object, key)
  return Array.isArray(list) ? list.slice(0, CHILDREN_MAX) : []
}

/** Only what the specification names, and of the right type: what another server writes reaches clients from here. */
function parseSummary(json: JsonValue | undefined): DetailedSummary | null {
  if (!isJsonObject(json)) return null
  const text = (key: string): string | null => {
    const value = member(json, key)
    return typeof value === 'string' && value !== '' && value.length <= TEXT_LENGTH_MAX ? value : null
  }
  const roomId = text('room_id')
  const joined = member(json, 'num_joined_members')
  if (roomId === null || !isRoomIdLike(roomId)) return null
  const alias = text('canonical_alias')
  const avatar = text('avatar_url')
  const allowed = listIn(json, 'allowed_room_ids').filter((id) => typeof id === 'string' && isRoomIdLike(id))
  const texts = ['name', 'topic', 'room_type', 'room_version'].flatMap((key) => {
    const value = text(key)
    return value === null ? [] : [[key, value]]
  })
  return {
    room_id: roomId as RoomId,
    num_joined_members: Number.isSafeInteger(joined) ? (joined as number) : 0,
    world_readable: member(json, 'world_readable') === true,
    guest_can_join: member(json, 'guest_can_join') === true,
    // "Defaults to `public` if not present"
    join_rule: text('join_rule') ?? 'public',
    ...Object.fromEntries(texts),
    ...(alias !== null && isRoomAlias(alias) && { canonical_alias: alias }),
    ...(avatar?.startsWith('mxc://') && { avatar_url: avatar }),
    ...(text('encryption') === MEGOLM && { encryption: MEGOLM }),
    ...(allowed.length > 0 && { allowed_room_ids: allowed as RoomId[] }),
  }
}

function parseChildren(list: readonly JsonValue[]): ChildState[] {
  const children = list.flatMap((entry): ChildState[] => {
    if (!isJsonObject(entry) || member(entry, 'type') !== 'm.space.child') return []
    const childId = member(entry, 'state_key')
    const sender = member(entry, 'sender')
    const content = member(entry, 'content')
    const ts = member(entry, 'origin_server_ts')
    if (typeof childId !== 'string' || !isRoomIdLike(childId) || typeof sender !== 'string') return []
    if (!isJsonObject(content) || !Array.isArray(member(content, 'via')) || !Number.isSafeInteger(ts)) return []
    const state_key = childId as RoomId
    return [{ type: 'm.space.child', state_key, sender, content, origin_server_ts: ts as number }]
  })
  return inOrder(children)
}

function isRoomIdLike(text: string): boolean {
  return text.startsWith('!') && text.length > 1 && fitsIdLimit(text)
}
