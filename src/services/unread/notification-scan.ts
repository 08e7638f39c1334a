import { PowerLevels } from '#core/auth/power-levels.ts'
import type { Event } from '#core/event/event.ts'
import type { UserId } from '#core/ids.ts'
import { member } from '#core/json/value.ts'
import { type CompiledRuleset, evaluate } from '#core/push/evaluate.ts'
import { PushEvent, type PushRoom } from '#core/push/push-event.ts'
import { ignoredBy } from '#services/timeline/ignored-users.ts'
import { visibleEvents } from '#services/timeline/visible-events.ts'
import type { ReadTx } from '#store/store.ts'
import type { EventNid, EventRow } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'
import type { UserNid } from '#store/types/users.ts'

export type UnreadUser = { readonly userNid: UserNid; readonly userId: UserId }

/** An unread event that the user's push rules notify of. */
export type Notification = {
  readonly nid: EventNid
  readonly rank: number
  /** `main` or the event id of the thread's root. */
  readonly thread: string
  readonly highlight: boolean
}

export type Scan = {
  readonly notifications: readonly Notification[]
  /** Events that were redacted since: they notify no more. */
  readonly withdrawn: readonly EventNid[]
  /** The user's own events: "either by using the API or by sending an event" a user reads up to it. */
  readonly ownEvents: readonly { readonly thread: string; readonly rank: number }[]
  /** The greatest rank looked at. */
  readonly rank: number
}

type ScanRequest = {
  readonly user: UnreadUser
  readonly room: RoomNid
  readonly rules: CompiledRuleset
  readonly afterRank: number
  readonly untilPosition: number
}

/** How far back a count reaches where nothing is remembered; a room with more unread events than this shows these. */
export const UNREAD_SCAN_EVENTS_MAX = 2_000

/** Evaluates the user's push rules on a room's events after a rank. */
export async function scanForNotifications(tx: ReadTx, request: ScanRequest): Promise<Scan> {
  const { user, room, rules, afterRank, untilPosition } = request
  const newestFirst = await tx.events.timeline({
    room,
    direction: 'backwards',
    afterRank,
    untilPosition,
    limit: UNREAD_SCAN_EVENTS_MAX,
  })
  const rows = (await visibleEvents(tx, newestFirst, user)).toReversed()
  const ignored = await ignoredBy(tx, user.userNid)
  const context = await RoomContext.load(tx, room, user)
  const notifying: { row: EventRow; highlight: boolean }[] = []
  for (const row of rows) {
    if (row.redactedBy !== null || row.event.sender === user.userId || ignored.has(row.event.sender)) continue
    const pushEvent = new PushEvent(row.event, await context.at(row))
    const outcome = evaluate(rules, pushEvent, { userId: user.userId, displayName: context.displayName })
    if (outcome?.notify === true) notifying.push({ row, highlight: outcome.highlight })
  }
  const own = rows.filter((row) => row.event.sender === user.userId)
  const threadOf = await threads(tx, [...notifying.map(({ row }) => row), ...own])
  return {
    notifications: notifying.map(({ row, highlight }) => ({
      nid: row.nid,
      rank: row.rank ?? 0,
      thread: threadOf(row),
      highlight,
    })),
    withdrawn: await redacted(tx, rows),
    ownEvents: own.map((row) => ({ thread: threadOf(row), rank: row.rank ?? 0 })),
    rank: newestFirst[0]?.rank ?? afterRank,
  }
}

/** "Thread roots are considered to be in the main timeline." */
async function threads(tx: ReadTx, rows: readonly EventRow[]): Promise<(row: EventRow) => string> {
  const roots = await tx.events.threadRoots(rows.map((row) => row.nid))
  return (row) => {
    const root = roots.get(row.nid)
    return root === undefined || root === null || root === row.event.eventId ? 'main' : root
  }
}

async function redacted(tx: ReadTx, rows: readonly EventRow[]): Promise<EventNid[]> {
  const targets = rows.flatMap(({ event }) => (event.redacts === null ? [] : [event.redacts]))
  if (targets.length === 0) return []
  return (await tx.events.byIds(targets)).filter((row) => row.redactedBy !== null).map((row) => row.nid)
}

/** What push rules ask of the room: its size and the user's name in it now, power levels as they stood at the event. */
class RoomContext {
  readonly displayName: string | null
  readonly #tx: ReadTx
  readonly #memberCount: number
  readonly #levels = new Map<StateId, Map<string, Event>>()

  private constructor(tx: ReadTx, memberCount: number, displayName: string | null) {
    this.#tx = tx
    this.#memberCount = memberCount
    this.displayName = displayName
  }

  static async load(tx: ReadTx, room: RoomNid, user: UnreadUser): Promise<RoomContext> {
    const { joined } = await tx.memberships.counts(room)
    const nid = await tx.state.currentOne(room, 'm.room.member', user.userId)
    const event = nid === null ? undefined : (await tx.events.byNids([nid])).get(nid)?.event
    const displayName = event === undefined ? undefined : member(event.content, 'displayname')
    return new RoomContext(tx, joined, typeof displayName === 'string' ? displayName : null)
  }

  async at({ event, stateBefore }: EventRow): Promise<PushRoom> {
    const state = await this.#powerState(stateBefore)
    const levels = new PowerLevels(event.rules, state.get('m.room.power_levels'), state.get('m.room.create'))
    return {
      memberCount: this.#memberCount,
      senderLevel: levels.userLevel(event.sender),
      notificationLevel: (key) => levels.notifications(key),
    }
  }

  async #powerState(state: StateId): Promise<Map<string, Event>> {
    const known = this.#levels.get(state)
    if (known !== undefined) return known
    const nids = await this.#tx.state.getMany(state, [
      ['m.room.power_levels', ''],
      ['m.room.create', ''],
    ])
    const events = await this.#tx.events.byNids(nids.filter((nid) => nid !== null))
    const found = new Map([...events.values()].map(({ event }) => [event.type, event]))
    this.#levels.set(state, found)
    return found
  }
}
