import { selectFields } from '#core/filter/event-fields.ts'
import type { RoomId, UserId } from '#core/ids.ts'
import { ignoredUsers } from '#core/ignored-users.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { EphemeralSequence } from '#services/log/ephemeral-sequence.ts'
import { clientPushRules, PUSH_RULES_TYPE } from '#services/push-rules/stored-push-rules.ts'
import type { MemberMemory } from '#services/sync/sent-members.ts'
import type { JoinedRoom, RoomView, SyncRequest } from '#services/sync/sync-types.ts'
import { type ClientEvents, clientEvent } from '#services/timeline/client-events.ts'
import type { TypingService } from '#services/typing/typing-service.ts'
import type { UnreadCounts, UnreadService } from '#services/unread/unread-service.ts'
import type { ReadTx } from '#store/store.ts'
import type { AccountDataRow } from '#store/types/account-data.ts'
import type { EventRow } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'

type Deps = {
  readonly clientEvents: ClientEvents
  readonly typing: TypingService
  readonly unread: UnreadService
  readonly sequence: EphemeralSequence
}

/** One answer to `/sync` in the making: one snapshot of the store from `from` to `to`, and what all its parts share. */
export class SyncAnswer {
  readonly tx: ReadTx
  readonly request: SyncRequest
  /** Exclusive; 0 for an initial sync. */
  readonly from: number
  /** Inclusive: the position of the snapshot. */
  readonly to: number
  readonly memory: MemberMemory
  readonly ignored: ReadonlySet<string>
  readonly #deps: Deps
  readonly #typingUpdates: ReadonlySet<RoomNid>
  /** What changed since the last answer, per room; global data under null. */
  readonly #accountData: ReadonlyMap<RoomId | null, AccountDataRow[]>

  private constructor(
    tx: ReadTx,
    request: SyncRequest,
    to: number,
    memory: MemberMemory,
    accountData: readonly AccountDataRow[],
    ignored: JsonObject | null,
    deps: Deps,
  ) {
    this.tx = tx
    this.request = request
    this.from = request.since?.position ?? 0
    this.to = to
    this.memory = memory
    this.#deps = deps
    this.#accountData = Map.groupBy(accountData, (row) => row.roomId)
    this.ignored = ignoredUsers(ignored)
    this.#typingUpdates = deps.typing.changedSince(deps.sequence.seenBy(request.since))
  }

  static async begin(tx: ReadTx, request: SyncRequest, memory: MemberMemory, deps: Deps): Promise<SyncAnswer> {
    const to = await tx.position()
    // A token from before the database was restored from a backup: the client knows what this server has forgotten.
    if (request.since !== null && request.since.position > to)
      return SyncAnswer.begin(tx, { ...request, since: null }, memory, deps)
    const { userNid } = request.viewer
    const accountData = await tx.accountData.changesFor(userNid, request.since?.position ?? 0, to)
    const ignored = await tx.accountData.get(userNid, null, 'm.ignored_user_list')
    return new SyncAnswer(tx, request, to, memory, accountData, ignored, deps)
  }

  /** Events in the format and with the fields that the filter asks for. */
  async serialise(rows: readonly EventRow[]): Promise<JsonObject[]> {
    const { filter, viewer } = this.request
    const format = { withRoomId: false }
    const events = await this.#deps.clientEvents.serialise(this.tx, rows, viewer, format)
    const formatted =
      filter.eventFormat === 'client'
        ? events
        : rows.map(({ event }, i) => ({
            ...event.json,
            ...clientEvent(event, format, (events[i]?.['unsigned'] ?? {}) as JsonObject),
          }))
    return formatted.map((event) => selectFields(event, filter.eventFields))
  }

  /** One event as clients get it, whatever the filter asks for. */
  async whole(row: EventRow): Promise<JsonObject> {
    const { viewer } = this.request
    const [event = {}] = await this.#deps.clientEvents.serialise(this.tx, [row], viewer, { withRoomId: false })
    return event
  }

  /** Global account data that the client hasn't got; push rules as clients see them, from the first sync on. */
  accountData(): { type: string; content: JsonObject }[] {
    const isInitial = this.request.since === null
    const events = (this.#accountData.get(null) ?? []).map(({ type, content }) => ({
      type,
      content: type === PUSH_RULES_TYPE ? clientPushRules(this.request.viewer.userId, content) : content,
    }))
    if (isInitial && !events.some(({ type }) => type === PUSH_RULES_TYPE)) {
      events.push({ type: PUSH_RULES_TYPE, content: clientPushRules(this.request.viewer.userId, null) })
    }
    return events
  }

  /** What changed; all that there is where the room is new to the client. */
  async roomAccountData(room: RoomView): Promise<readonly AccountDataRow[]> {
    if (room.isNew && this.from > 0) return this.tx.accountData.ofRoom(this.request.viewer.userNid, room.roomId)
    return this.#accountData.get(room.roomId) ?? []
  }

  /** Rooms whose account data changed. */
  roomsWithAccountData(): RoomId[] {
    return [...this.#accountData.keys()].filter((id) => id !== null)
  }

  roomsWithTyping(): ReadonlySet<RoomNid> {
    return this.#typingUpdates
  }

  hasTypingUpdate(room: RoomView): boolean {
    // After a rejoin the client may still show somebody who has stopped.
    const isNews = this.#typingUpdates.has(room.roomNid)
    return room.isNew ? this.typingIn(room.roomNid).length > 0 || (room.isRejoin && isNews) : isNews
  }

  typingIn(room: RoomNid): UserId[] {
    return this.#deps.typing.typingIn(room).filter((userId) => !this.ignored.has(userId))
  }

  /** Whether the user was joined just before that leave or ban. */
  async wasJoinedBefore(room: RoomNid, leave: EventRow): Promise<boolean> {
    const history = await this.tx.memberships.history(this.request.viewer.userNid, room)
    const before = history.findLast((entry) => entry.position < (leave.position ?? this.to))
    return before?.membership === 'join'
  }

  /** Whether the counts are, or may be, others than the client knows from the last answer. */
  async hasUnreadUpdate(room: RoomNid): Promise<boolean> {
    const { changedAt } = await this.#deps.unread.counts(this.tx, this.request.viewer, room, this.to)
    return changedAt > this.from
  }

  async unread(room: RoomNid): Promise<Pick<JoinedRoom, 'unread_notifications' | 'unread_thread_notifications'>> {
    const { viewer, filter } = this.request
    const counts = await this.#deps.unread.counts(this.tx, viewer, room, this.to)
    if (!filter.room.timeline.unreadThreadNotifications) return { unread_notifications: countsJson(total(counts)) }
    return {
      unread_notifications: countsJson(counts.main),
      unread_thread_notifications: Object.fromEntries(
        [...counts.threads].map(([root, thread]) => [root, countsJson(thread)]),
      ),
    }
  }
}

type Count = UnreadCounts['main']

/** "If threads aren't asked for, the room's counts include them." */
function total({ main, threads }: UnreadCounts): Count {
  let { notifications, highlights } = main
  for (const thread of threads.values()) {
    notifications += thread.notifications
    highlights += thread.highlights
  }
  return { notifications, highlights }
}

function countsJson({ notifications, highlights }: Count): JsonObject {
  return { notification_count: notifications, highlight_count: highlights }
}
