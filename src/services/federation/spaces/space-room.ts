/** What a room shows of itself and of the rooms under it (client-server API, "Spaces"), read from its state here. */
import type { Event } from '#core/event/event.ts'
import type { RoomId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { type RoomSummary, roomSummaries } from '#services/rooms/directory/room-summary.ts'
import { strippedEvent } from '#services/timeline/client-events.ts'
import type { ReadTx } from '#store/store.ts'
import type { RoomRow } from '#store/types/rooms.ts'

/** An `m.space.child` event in the stripped form, with `origin_server_ts`. */
export type ChildState = JsonObject & { readonly state_key: RoomId; readonly origin_server_ts: number }

/** In the specification's names (`RoomSummary`). */
export type DetailedSummary = RoomSummary & {
  readonly room_version?: string
  readonly encryption?: string
  /** The rooms whose members may join, where the room is restricted. */
  readonly allowed_room_ids?: readonly RoomId[]
}

export type SpaceRoom = DetailedSummary & { readonly children_state: readonly ChildState[] }

/** Rooms under one space that are looked at, and conditions of one join rule. */
export const CHILDREN_MAX = 1_000
const CONDITIONS_MAX = 100
/** The only algorithm that the specification has. */
export const MEGOLM = 'm.megolm.v1.aes-sha2'

/** A room of which this server has the current state. */
export async function readSpaceRoom(tx: ReadTx, room: RoomRow): Promise<SpaceRoom> {
  const { joined } = await tx.memberships.counts(room.nid)
  const [summary] = await roomSummaries(tx, [{ room, joined }])
  const contents = await currentContents(tx, room)
  const algorithm = member(contents.get('m.room.encryption') ?? {}, 'algorithm')
  const allowed = allowedRooms(contents.get('m.room.join_rules') ?? {})
  return {
    ...(summary as RoomSummary),
    room_version: room.version,
    ...(algorithm === MEGOLM && { encryption: MEGOLM }),
    ...(allowed.length > 0 && { allowed_room_ids: allowed }),
    // "If the room is not a space-room, this should be empty."
    children_state: summary?.room_type === 'm.space' ? await readChildren(tx, room) : [],
  }
}

/** The same without the children. */
export function summaryOf({ children_state: _children, ...summary }: SpaceRoom): DetailedSummary {
  return summary
}

/** Whether a child's event says that it is suggested; others are left out on request. */
export function isSuggested({ content }: ChildState): boolean {
  return isJsonObject(content) && member(content, 'suggested') === true
}

/** The servers by which a child can be found. */
export function viaOf({ content }: ChildState): JsonValue[] {
  const via = isJsonObject(content) ? member(content, 'via') : undefined
  return Array.isArray(via) ? via : []
}

/** Children in the order in which clients show them ("Ordering of children within a space"). */
export function inOrder(children: readonly ChildState[]): ChildState[] {
  return children.toSorted((a, b) => {
    const [orderA, orderB] = [orderOf(a), orderOf(b)]
    if (orderA !== orderB) {
      if (orderA === null || orderB === null) return orderA === null ? 1 : -1
      return orderA < orderB ? -1 : 1
    }
    if (a.origin_server_ts !== b.origin_server_ts) return a.origin_server_ts - b.origin_server_ts
    return a.state_key < b.state_key ? -1 : 1
  })
}

/** "The string must consist of ASCII characters between `\x20` and `\x7E`" and be at most 50 characters long. */
function orderOf({ content }: ChildState): string | null {
  const order = isJsonObject(content) ? member(content, 'order') : undefined
  return typeof order === 'string' && /^[\x20-\x7e]{1,50}$/.test(order) ? order : null
}

async function readChildren(tx: ReadTx, room: RoomRow): Promise<ChildState[]> {
  const nids = (await tx.state.current(room.nid, ['m.space.child'])).map(({ eventNid }) => eventNid)
  const rows = await tx.events.byNids(nids)
  const children = nids.flatMap((nid) => {
    const event = rows.get(nid)?.event
    return event !== undefined && isChild(event) ? [childState(event)] : []
  })
  return inOrder(children).slice(0, CHILDREN_MAX)
}

/** "Child rooms can be removed from a space by omitting the `via` key". */
function isChild({ stateKey, content }: Event): boolean {
  const via = member(content, 'via')
  return stateKey?.startsWith('!') === true && Array.isArray(via) && via.length > 0
}

function childState(event: Event): ChildState {
  return { ...strippedEvent(event), origin_server_ts: event.originServerTs } as ChildState
}

async function currentContents(tx: ReadTx, room: RoomRow): Promise<Map<string, JsonObject>> {
  const contents = new Map<string, JsonObject>()
  for (const type of ['m.room.encryption', 'm.room.join_rules']) {
    const nid = await tx.state.currentOne(room.nid, type, '')
    const row = nid === null ? undefined : (await tx.events.byNids([nid])).get(nid)
    if (row !== undefined) contents.set(type, row.event.content)
  }
  return contents
}

function allowedRooms(content: JsonObject): RoomId[] {
  const rule = member(content, 'join_rule')
  if (rule !== 'restricted' && rule !== 'knock_restricted') return []
  const allow = member(content, 'allow')
  const conditions: readonly JsonValue[] = Array.isArray(allow) ? allow.slice(0, CONDITIONS_MAX) : []
  return conditions.flatMap((condition) => {
    if (!isJsonObject(condition) || member(condition, 'type') !== 'm.room_membership') return []
    const roomId = member(condition, 'room_id')
    return typeof roomId === 'string' && roomId.startsWith('!') ? [roomId as RoomId] : []
  })
}
