import { isRoomAlias, type RoomId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import type { ReadTx } from '#store/store.ts'
import type { RoomRow } from '#store/types/rooms.ts'

/** What a room shows of itself to those outside, in the specification's names (`PublishedRoomsChunk`). */
export type RoomSummary = {
  readonly room_id: RoomId
  readonly num_joined_members: number
  readonly world_readable: boolean
  readonly guest_can_join: boolean
  readonly join_rule: string
  readonly name?: string
  readonly topic?: string
  readonly canonical_alias?: string
  readonly avatar_url?: string
  readonly room_type?: string
}

const SUMMARY_TYPES = [
  'm.room.create',
  'm.room.name',
  'm.room.topic',
  'm.room.canonical_alias',
  'm.room.avatar',
  'm.room.join_rules',
  'm.room.guest_access',
  'm.room.history_visibility',
] as const

/** Summarises rooms from their current state. What isn't of the right type counts as absent. */
export async function roomSummaries(
  tx: ReadTx,
  rooms: readonly { readonly room: RoomRow; readonly joined: number }[],
): Promise<RoomSummary[]> {
  const summaries: RoomSummary[] = []
  for (const { room, joined } of rooms) {
    const entries = (await tx.state.current(room.nid, SUMMARY_TYPES)).filter(({ stateKey }) => stateKey === '')
    const rows = await tx.events.byNids(entries.map(({ eventNid }) => eventNid))
    const contents = new Map<string, JsonObject>()
    for (const { type, eventNid } of entries) {
      const content = rows.get(eventNid)?.event.content
      if (content !== undefined) contents.set(type, content)
    }
    summaries.push(summaryOf(room.roomId, joined, contents))
  }
  return summaries
}

function summaryOf(roomId: RoomId, joined: number, contents: ReadonlyMap<string, JsonObject>): RoomSummary {
  const text = (type: string, key: string): string | undefined => {
    const value = member(contents.get(type) ?? {}, key)
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const alias = text('m.room.canonical_alias', 'alias')
  const avatar = text('m.room.avatar', 'url')
  return {
    room_id: roomId,
    num_joined_members: joined,
    world_readable: text('m.room.history_visibility', 'history_visibility') === 'world_readable',
    guest_can_join: text('m.room.guest_access', 'guest_access') === 'can_join',
    join_rule: text('m.room.join_rules', 'join_rule') ?? 'invite',
    ...present('name', text('m.room.name', 'name')),
    ...present('topic', topicText(contents.get('m.room.topic')) ?? text('m.room.topic', 'topic')),
    ...present('canonical_alias', alias !== undefined && isRoomAlias(alias) ? alias : undefined),
    ...present('avatar_url', avatar?.startsWith('mxc://') ? avatar : undefined),
    ...present('room_type', text('m.room.create', 'type')),
  }
}

/** "The plain text topic of the room": the first `text/plain` one of the rich form. */
function topicText(content: JsonObject | undefined): string | undefined {
  const rich = content === undefined ? undefined : member(content, 'm.topic')
  const texts = isJsonObject(rich) ? member(rich, 'm.text') : undefined
  for (const text of Array.isArray(texts) ? (texts as readonly JsonValue[]) : []) {
    if (!isJsonObject(text)) continue
    const body = member(text, 'body')
    // "Defaults to text/plain."
    if ((member(text, 'mimetype') ?? 'text/plain') === 'text/plain' && typeof body === 'string') return body
  }
  return undefined
}

function present<Name extends string>(name: Name, value: string | undefined): { [key in Name]?: string } {
  return value === undefined ? {} : ({ [name]: value } as { [key in Name]?: string })
}
