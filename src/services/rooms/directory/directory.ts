import type { RoomId, UserId } from '#core/ids.ts'
import { forbidden, invalidParam, notFound } from '#core/matrix-error.ts'
import type { Visibility } from '#services/rooms/creation/initial-state.ts'
import { assertMayPublish } from '#services/rooms/directory/publication.ts'
import { type RoomSummary, roomSummaries } from '#services/rooms/directory/room-summary.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import { powerLevels, type Sender } from '#services/rooms/sending/redactions.ts'
import type { ReadTx } from '#store/store.ts'
import type { RoomNid } from '#store/types/rooms.ts'

export type DirectoryQuery = {
  readonly limit?: number | undefined
  readonly since?: string | undefined
  readonly searchTerm?: string | undefined
  /** null stands for rooms without a type. */
  readonly roomTypes?: readonly (string | null)[] | undefined
}

export type DirectoryPage = {
  readonly chunk: readonly RoomSummary[]
  readonly next_batch?: string
  readonly prev_batch?: string
  readonly total_room_count_estimate: number
}

/** Rooms on a page, at most and where the request doesn't say. */
const PAGE_MAX = 500
const PAGE_DEFAULT = 100
/** Rooms that one request looks through for those that fit its filter. */
const SCAN_MAX = 2_000
const SCAN_STEP = 100

/** The place just after a room in the list's order. */
type Cursor = { readonly joined: number; readonly nid: RoomNid }
type Found = { readonly summary: RoomSummary; readonly cursor: Cursor }

/** The list of rooms that this server publishes ("Published room directory"). */
export class RoomDirectory {
  readonly #context: RoomContext

  constructor(context: RoomContext) {
    this.#context = context
  }

  /** @throws M_NOT_FOUND */
  async visibility(roomId: RoomId): Promise<Visibility> {
    const room = await this.#context.store.read((tx) => tx.rooms.byId(roomId))
    if (room === null) throw notFound('Room not found')
    return room.published ? 'public' : 'private'
  }

  /**
   * For those who may send the room's `m.room.canonical_alias`, and server administrators, as far as this server's rules
   * of publication let them.
   * @throws M_FORBIDDEN
   */
  async setVisibility(sender: Sender, roomId: RoomId, visibility: Visibility): Promise<void> {
    if (visibility === 'public') await this.#assertMayPublish(sender.userId, roomId)
    await this.#context.queues.run(roomId, {
      run: async (draft) => {
        const levels = await powerLevels(draft)
        const may = levels.userLevel(sender.userId) >= levels.levelForEvent('m.room.canonical_alias', true)
        if (!may && !sender.isAdmin) throw forbidden('You may not change who sees this room in the directory')
        draft.alongside((tx, room) => tx.rooms.setPublished(room, visibility === 'public'))
      },
    })
  }

  async #assertMayPublish(userId: UserId, roomId: RoomId): Promise<void> {
    const { store, settings } = this.#context
    const rows = await store.read(async (tx) => {
      const room = await tx.rooms.byId(roomId)
      return room === null ? [] : tx.rooms.aliases(room.nid)
    })
    assertMayPublish(settings.publication, { userId, roomId, aliases: rows.map(({ alias }) => alias) })
  }

  /** Published rooms, those with the most members first. @throws M_INVALID_PARAM for a token that isn't ours */
  list(query: DirectoryQuery): Promise<DirectoryPage> {
    const limit = Math.max(1, Math.min(query.limit ?? PAGE_DEFAULT, PAGE_MAX))
    const since = query.since === undefined ? null : parseToken(query.since)
    return this.#context.store.read(async (tx) => {
      const total = await tx.rooms.publishedCount()
      const page =
        since?.direction === 'backwards'
          ? await before(tx, query, limit, since.at)
          : await after(tx, query, limit, since?.at ?? null)
      return { ...page, total_room_count_estimate: total }
    })
  }
}

type Page = Omit<DirectoryPage, 'total_room_count_estimate'>

async function after(tx: ReadTx, query: DirectoryQuery, limit: number, start: Cursor | null): Promise<Page> {
  const found: Found[] = []
  let at = start
  let ended = false
  for (let scanned = 0; scanned < SCAN_MAX && found.length <= limit && !ended; scanned += SCAN_STEP) {
    const rooms = await tx.rooms.published(SCAN_STEP, at)
    ended = rooms.length < SCAN_STEP
    found.push(...(await fitting(tx, rooms, query)))
    const last = rooms.at(-1)
    if (last !== undefined) at = { joined: last.joined, nid: last.room.nid }
  }
  const shown = found.slice(0, limit)
  const more = found.length > limit ? shown.at(-1)?.cursor : ended ? undefined : at
  const first = shown[0]
  return {
    chunk: shown.map(({ summary }) => summary),
    ...(more === undefined || more === null ? {} : { next_batch: formatToken('forwards', more) }),
    ...(start === null || first === undefined ? {} : { prev_batch: formatToken('backwards', first.cursor) }),
  }
}

/** The page before a room: walks there from the beginning, since lists are short and this is rarely asked for. */
async function before(tx: ReadTx, query: DirectoryQuery, limit: number, end: Cursor): Promise<Page> {
  const found: Found[] = []
  let at: Cursor | null = null
  for (let arrived = false; !arrived; ) {
    const rooms: Awaited<ReturnType<ReadTx['rooms']['published']>> = await tx.rooms.published(SCAN_STEP, at)
    const within = rooms.filter(({ room, joined }) => isBefore({ joined, nid: room.nid }, end))
    found.push(...(await fitting(tx, within, query)))
    found.splice(0, found.length - limit - 1)
    const last = rooms.at(-1)
    arrived = within.length < SCAN_STEP || last === undefined
    if (last !== undefined) at = { joined: last.joined, nid: last.room.nid }
  }
  const shown = found.slice(-limit)
  const last = shown.at(-1)
  const first = shown[0]
  return {
    chunk: shown.map(({ summary }) => summary),
    ...(last === undefined ? {} : { next_batch: formatToken('forwards', last.cursor) }),
    ...(found.length <= limit || first === undefined ? {} : { prev_batch: formatToken('backwards', first.cursor) }),
  }
}

/** The list's order: most members first, then by number. */
function isBefore(a: Cursor, b: Cursor): boolean {
  return a.joined > b.joined || (a.joined === b.joined && a.nid < b.nid)
}

async function fitting(
  tx: ReadTx,
  rooms: Awaited<ReturnType<ReadTx['rooms']['published']>>,
  { searchTerm, roomTypes }: DirectoryQuery,
): Promise<Found[]> {
  const summaries = await roomSummaries(tx, rooms)
  const term = searchTerm?.toLowerCase() ?? ''
  return summaries.flatMap((summary, index) => {
    const { room, joined } = rooms[index]!
    const { name, topic, canonical_alias: alias, room_type: type } = summary
    const matches = term === '' || [name, topic, alias].some((text) => text?.toLowerCase().includes(term))
    const isOfType = roomTypes === undefined || roomTypes.includes(type ?? null)
    return matches && isOfType ? [{ summary, cursor: { joined, nid: room.nid } }] : []
  })
}

type Token = { readonly direction: 'forwards' | 'backwards'; readonly at: Cursor }

const TOKEN = /^([nb])1_(\d{1,15})_(\d{1,15})$/

function formatToken(direction: Token['direction'], { joined, nid }: Cursor): string {
  return `${direction === 'forwards' ? 'n' : 'b'}1_${joined}_${nid}`
}

function parseToken(text: string): Token {
  const parts = TOKEN.exec(text)
  if (parts === null) throw invalidParam('since is not a token of this server')
  const at = { joined: Number(parts[2]), nid: Number(parts[3]) as RoomNid }
  return { direction: parts[1] === 'n' ? 'forwards' : 'backwards', at }
}
