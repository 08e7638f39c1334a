/** The tree of rooms under a space, for users of this server (client-server API, `GET /rooms/{roomId}/hierarchy`). */
import { domainOf, type RoomId } from '#core/ids.ts'
import type { JsonValue } from '#core/json/value.ts'
import { forbidden, invalidParam, type MatrixError } from '#core/matrix-error.ts'
import type { RoomLookup } from '#services/federation/spaces/room-lookup.ts'
import type { Viewer } from '#services/federation/spaces/space-child-access.ts'
import { type DetailedSummary, isSuggested, type SpaceRoom, viaOf } from '#services/federation/spaces/space-room.ts'

export type HierarchyRequest = {
  readonly suggestedOnly: boolean
  readonly maxDepth: number | null
  readonly limit: number | null
  readonly from: string | null
}

export type HierarchyPage = { readonly rooms: readonly SpaceRoom[]; readonly next_batch?: string }

/** Rooms on a page, where the request doesn't say, and at most. */
const PAGE_DEFAULT = 50
const PAGE_MAX = 100
/** "Servers should apply a default value, and impose a maximum value to avoid resource exhaustion." */
const DEPTH_MAX = 50
/** Rooms of one tree that are looked at. */
const ROOMS_MAX = 5_000
/** After this, a page ends with what it has rather than ask yet another server. */
const PAGE_TIME_MS_MAX = 20_000

/** A room that the walk comes to, and what its parent told of it. */
type Step = {
  readonly roomId: RoomId
  readonly depth: number
  readonly via: readonly JsonValue[]
  /** From the server that described the parent; a room that isn't a space needs no further question. */
  readonly known: DetailedSummary | undefined
}

type Deps = { readonly rooms: RoomLookup; readonly clock: () => number }

export class SpaceHierarchy {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * A page of the rooms that the user may know of, depth first.
   *
   * @throws M_FORBIDDEN for the room itself; M_INVALID_PARAM for a token that isn't of this request
   */
  async page(viewer: Viewer, roomId: RoomId, request: HierarchyRequest): Promise<HierarchyPage> {
    const { suggestedOnly } = request
    const maxDepth = Math.min(request.maxDepth ?? DEPTH_MAX, DEPTH_MAX)
    const limit = Math.max(1, Math.min(request.limit ?? PAGE_DEFAULT, PAGE_MAX))
    const token: Token = { suggestedOnly, maxDepth, shown: 0 }
    const skip = request.from === null ? 0 : readToken(request.from, token)
    const began = this.#deps.clock()
    const rooms: SpaceRoom[] = []
    let passed = 0
    for await (const room of this.#walk(viewer, roomId, token)) {
      passed += 1
      if (passed <= skip) continue
      const isLate = rooms.length > 0 && this.#deps.clock() - began > PAGE_TIME_MS_MAX
      if (rooms.length === limit || isLate) {
        return { rooms, next_batch: writeToken({ ...token, shown: skip + rooms.length }) }
      }
      rooms.push(room)
    }
    if (passed === 0) throw notAllowed()
    return { rooms }
  }

  /** The same tree in the same order for each page; what other servers told of it is remembered for a while. */
  async *#walk(viewer: Viewer, root: RoomId, { suggestedOnly, maxDepth }: Token): AsyncGenerator<SpaceRoom> {
    const domain = domainOf(root)
    const waiting: Step[] = [{ roomId: root, depth: 0, via: domain === null ? [] : [domain], known: undefined }]
    const seen = new Set<RoomId>()
    for (let step = waiting.pop(); step !== undefined && seen.size < ROOMS_MAX; step = waiting.pop()) {
      // Spaces may hold each other.
      if (seen.has(step.roomId)) continue
      seen.add(step.roomId)
      const found = await this.#deps.rooms.find(viewer, step.roomId, step.via, step.known)
      if (found === null) continue
      const { room, children: described, inaccessible } = found
      const children = suggestedOnly ? room.children_state.filter(isSuggested) : room.children_state
      yield suggestedOnly ? { ...room, children_state: children } : room
      if (step.depth === maxDepth) continue
      for (const child of children.toReversed()) {
        const roomId = child.state_key
        // "The requesting server should consider these room IDs as not accessible from anywhere": only our own copy counts.
        const via = inaccessible.has(roomId) ? [] : viaOf(child)
        waiting.push({ roomId, depth: step.depth + 1, via, known: described.get(roomId) })
      }
    }
  }
}

function notAllowed(): MatrixError {
  return forbidden('You are not allowed to view this room')
}

/** What a token says, so that a page can be made without remembering the one before it. */
type Token = { readonly suggestedOnly: boolean; readonly maxDepth: number; readonly shown: number }

const TOKEN = /^h1_([01])_(\d{1,3})_(\d{1,5})$/

function writeToken({ suggestedOnly, maxDepth, shown }: Token): string {
  return `h1_${suggestedOnly ? 1 : 0}_${maxDepth}_${shown}`
}

/** How many rooms were shown before. "`max_depth` and `suggested_only` cannot be changed from the first request." */
function readToken(text: string, request: Token): number {
  const parts = TOKEN.exec(text)
  if (parts === null) throw invalidParam('from is not a token of this server')
  const token: Token = { suggestedOnly: parts[1] === '1', maxDepth: Number(parts[2]), shown: Number(parts[3]) }
  if (token.suggestedOnly !== request.suggestedOnly || token.maxDepth !== request.maxDepth) {
    throw invalidParam('suggested_only and max_depth cannot change on paginated requests')
  }
  return token.shown
}
