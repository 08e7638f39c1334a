import type { RoomId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { EphemeralSequence } from '#services/log/ephemeral-sequence.ts'
import {
  ENTRIES_PER_ANSWER_MAX,
  eventsOfRoom,
  inRoom,
  type Stretch,
  updatesOfUser,
} from '#services/old-sync/live-updates.ts'
import { seenPresence } from '#services/old-sync/seen-presence.ts'
import type { PresenceService } from '#services/presence/presence-service.ts'
import type { Interest, Notifier } from '#services/sync/notifier.ts'
import { throwIfAbandoned } from '#services/time/abandoned.ts'
import { Deadline } from '#services/time/deadline.ts'
import type { ClientEvents, Viewer } from '#services/timeline/client-events.ts'
import { accessToRoom } from '#services/timeline/room-access.ts'
import { formatToken, parseStreamToken, parseToken, type StreamToken } from '#services/timeline/tokens.ts'
import type { TypingService } from '#services/typing/typing-service.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** The longest that a request waits for an event. */
export const EVENTS_TIMEOUT_MS_MAX = 90_000

export type EventsRequest = {
  readonly viewer: Viewer
  /** null for "from now on". */
  readonly from: string | null
  readonly timeoutMs: number
  /** Only this room, which the viewer need not be in if it is world-readable; null for all that they are in. */
  readonly roomId: RoomId | null
}

export type EventsAnswer = { readonly start: string; readonly end: string; readonly chunk: readonly JsonObject[] }

type Deps = {
  readonly store: Store
  readonly notifier: Notifier
  readonly clientEvents: ClientEvents
  readonly typing: TypingService
  readonly presence: PresenceService
  readonly sequence: EphemeralSequence
  readonly clock: () => number
}

type Updates = {
  readonly chunk: readonly JsonObject[]
  /** How far the chunk reaches: not to the end where there is too much for one answer. */
  readonly to: number
  readonly rooms: ReadonlySet<RoomNid>
}
type Built = Updates & { readonly end: StreamToken; readonly now: number }

/**
 * `GET /events`: the event stream as it was before `/sync`, and still is for peeking into rooms ("Room Previews"). All
 * kinds of events come in one list, each with its room.
 */
export class EventStream {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Answers as soon as there is something after `from`, or with nothing when the time is over.
   *
   * @throws M_INVALID_PARAM for a token, M_FORBIDDEN for a room
   */
  async listen(request: EventsRequest, signal: AbortSignal): Promise<EventsAnswer> {
    const deadline = new Deadline(this.#deps.clock, Math.min(request.timeoutMs, EVENTS_TIMEOUT_MS_MAX))
    let from = await this.#deps.store.read((tx) => this.#startOf(tx, request))
    const start = request.from ?? formatToken(from)
    for (;;) {
      throwIfAbandoned(signal)
      const { chunk, rooms, to, now, end } = await this.#build(request, from)
      const left = deadline.leftMs
      if (chunk.length > 0 || left <= 0 || signal.aborted) return { start, end: formatToken(end), chunk }
      // Nothing so far: the answer that is waited for need not look there again.
      from = end
      if (to < now) continue
      const interest: Interest = { userNid: request.viewer.userNid, rooms }
      await this.#deps.notifier.wait(interest, to, left, signal)
    }
  }

  async #startOf(tx: ReadTx, request: EventsRequest): Promise<StreamToken> {
    const { mark } = this.#deps.sequence
    const now = await tx.position()
    if (request.from === null) return { kind: 'stream', position: now, ...mark }
    const token = parseToken(request.from)
    if (token.kind === 'timeline' && request.roomId !== null) {
      const { room } = await accessToRoom(tx, request.roomId, request.viewer)
      return { kind: 'stream', position: await tx.events.positionAt(room.nid, token.rank), ...mark }
    }
    const from = parseStreamToken(request.from)
    // From ahead of the database, or from a place that says nothing about all rooms: everything is told again.
    return from.position > now ? { ...from, position: 0 } : from
  }

  #build(request: EventsRequest, from: StreamToken): Promise<Built> {
    const { mark } = this.#deps.sequence
    return this.#deps.store.read(async (tx) => {
      const now = await tx.position()
      const stretch = { from: from.position, to: now }
      const news =
        request.roomId === null
          ? await this.#ofUser(tx, request.viewer, stretch, from)
          : await this.#ofRoom(tx, request.viewer, stretch, request.roomId)
      return { ...news, now, end: { kind: 'stream', position: news.to, ...mark } }
    })
  }

  async #ofRoom(tx: ReadTx, viewer: Viewer, stretch: Stretch, roomId: RoomId): Promise<Updates> {
    const access = await accessToRoom(tx, roomId, viewer)
    const { rows, to } = await eventsOfRoom(tx, access, stretch)
    const chunk = await this.#deps.clientEvents.serialise(tx, rows, viewer, { withRoomId: true })
    return { chunk, to, rooms: new Set([access.room.nid]) }
  }

  async #ofUser(tx: ReadTx, viewer: Viewer, { from, to: now }: Stretch, since: StreamToken): Promise<Updates> {
    const entries = await tx.log.between(from, now, ENTRIES_PER_ANSWER_MAX)
    const to = entries.length < ENTRIES_PER_ANSWER_MAX ? now : (entries.at(-1)?.position ?? now)
    const joined = await tx.memberships.ofUser(viewer.userNid, ['join'])
    const rooms = new Set(joined.map(({ roomNid }) => roomNid))
    const { rows, others } = await updatesOfUser(tx, viewer, { from, to }, entries)
    const events = await this.#deps.clientEvents.serialise(tx, rows, viewer, { withRoomId: true })
    const { presence, sequence } = this.#deps
    const changed = presence.changedSince(sequence.seenBy(since))
    const seen = await seenPresence(tx, { ...this.#deps, viewer, rooms }, changed)
    return { chunk: [...events, ...others, ...(await this.#typing(tx, rooms, since)), ...seen], to, rooms }
  }

  async #typing(tx: ReadTx, joined: ReadonlySet<RoomNid>, from: StreamToken): Promise<JsonObject[]> {
    const events: JsonObject[] = []
    for (const roomNid of this.#deps.typing.changedSince(this.#deps.sequence.seenBy(from))) {
      if (!joined.has(roomNid)) continue
      const content = { user_ids: this.#deps.typing.typingIn(roomNid) }
      events.push(...(await inRoom(tx, roomNid, [{ type: 'm.typing', content }])))
    }
    return events
  }
}
