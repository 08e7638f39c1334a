import { STRIPPED_STATE_TYPES } from '#core/event/stripped-state.ts'
import { eventPasses, roomPasses } from '#core/filter/event-filter.ts'
import type { RoomId, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { acknowledgeInbox } from '#services/e2ee/to-device-inbox.ts'
import type { EphemeralSequence } from '#services/log/ephemeral-sequence.ts'
import type { PresenceService } from '#services/presence/presence-service.ts'
import { deviceSections } from '#services/sync/device-sections.ts'
import { joinedRoom, leftRoom } from '#services/sync/joined-room.ts'
import type { Notifier } from '#services/sync/notifier.ts'
import { presenceSection } from '#services/sync/presence-section.ts'
import { type RoomChange, roomChanges } from '#services/sync/room-changes.ts'
import { NO_MEMORY, SentMembers } from '#services/sync/sent-members.ts'
import { SyncAnswer } from '#services/sync/sync-answer.ts'
import type { SyncRequest, SyncResponse } from '#services/sync/sync-types.ts'
import { throwIfAbandoned } from '#services/time/abandoned.ts'
import { Deadline } from '#services/time/deadline.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import { type ClientEvents, strippedEvent } from '#services/timeline/client-events.ts'
import { formatToken } from '#services/timeline/tokens.ts'
import type { TypingService } from '#services/typing/typing-service.ts'
import type { UnreadService } from '#services/unread/unread-service.ts'
import type { Store } from '#store/store.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** The longest that a sync waits for news. */
export const SYNC_TIMEOUT_MS_MAX = 90_000

type Deps = {
  readonly store: Store
  readonly notifier: Notifier
  readonly clientEvents: ClientEvents
  readonly typing: TypingService
  readonly unread: UnreadService
  readonly presence: PresenceService
  readonly sequence: EphemeralSequence
  readonly clock: () => number
}

type Built = {
  readonly response: SyncResponse
  /** Nothing to tell that the client could not wait for. */
  readonly isEmpty: boolean
  readonly to: number
  readonly joined: Set<RoomNid>
}

/**
 * `/sync` (client-server API, "Syncing"). No state is kept per token: what changed between two positions is read from
 * the log. The law: incremental syncs folded over time equal a fresh initial sync.
 */
export class SyncService {
  readonly #deps: Deps
  readonly #sentMembers = new SentMembers()

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Answers at once when there is news, on an initial sync or with `full_state`; else waits for news or the timeout. */
  async sync(request: SyncRequest, signal: AbortSignal): Promise<SyncResponse> {
    const deadline = new Deadline(this.#deps.clock, Math.min(request.timeoutMs, SYNC_TIMEOUT_MS_MAX))
    if (request.since !== null) await acknowledgeInbox(this.#deps.store, request.viewer, request.since)
    for (;;) {
      throwIfAbandoned(signal)
      const built = await this.#build(request, signal)
      const left = deadline.leftMs
      if (!built.isEmpty || left <= 0 || signal.aborted) return built.response
      const interest = { userNid: request.viewer.userNid, rooms: built.joined }
      await this.#deps.notifier.wait(interest, built.to, left, signal)
    }
  }

  async #build(request: SyncRequest, signal: AbortSignal): Promise<Built> {
    const { viewer, since, filter } = request
    const device = `${viewer.userNid}\0${viewer.deviceId ?? ''}`
    const sent = this.#sentMembers.begin(device, since === null ? null : formatToken(since))
    const memory = filter.room.state.includeRedundantMembers ? NO_MEMORY : sent.memory
    const mark = this.#deps.sequence.mark
    const built = await this.#deps.store.read(async (tx) => {
      const answer = await SyncAnswer.begin(tx, request, memory, this.#deps)
      const timeSlice = new TimeSlice(signal)
      const changes = await roomChanges(answer)
      await timeSlice.yieldIfDue()
      const rooms = await roomSections(answer, changes.rooms, signal)
      await timeSlice.yieldIfDue()
      const accountData = answer.accountData()
      const { sections, toDeviceEnd } = await deviceSections(answer, request)
      const delivered = toDeviceEnd === null ? {} : { toDevice: toDeviceEnd }
      const nextBatch = formatToken({ kind: 'stream', position: answer.to, ...mark, ...delivered })
      const response: SyncResponse = {
        next_batch: nextBatch,
        rooms,
        account_data: { events: accountData.filter((event) => eventPasses(filter.accountData, event)) },
        presence: { events: await presenceSection(answer, changes, this.#deps) },
        ...sections,
      }
      const mayWait = answer.request.since !== null && !request.fullState
      return { response, isEmpty: mayWait && isEmpty(response), to: answer.to, joined: changes.joined }
    })
    sent.done(built.response.next_batch)
    return built
  }
}

async function roomSections(
  answer: SyncAnswer,
  changes: readonly RoomChange[],
  signal: AbortSignal,
): Promise<SyncResponse['rooms']> {
  const sections = {
    join: [] as [string, SyncResponse['rooms']['join'][string]][],
    invite: [] as [string, SyncResponse['rooms']['invite'][string]][],
    knock: [] as [string, SyncResponse['rooms']['knock'][string]][],
    leave: [] as [string, SyncResponse['rooms']['leave'][string]][],
  }
  const timeSlice = new TimeSlice(signal)
  for (const change of changes) {
    await timeSlice.yieldIfDue()
    const { roomId } = change.room
    if (!roomPasses(answer.request.filter.room, roomId)) continue
    switch (change.section) {
      case 'join': {
        const room = await joinedRoom(answer, change.room)
        if (room !== null) sections.join.push([roomId, room])
        break
      }
      case 'invite':
        sections.invite.push([roomId, { invite_state: { events: await strippedState(answer, change) } }])
        break
      case 'knock':
        sections.knock.push([roomId, { knock_state: { events: await strippedState(answer, change) } }])
        break
      case 'leave':
        sections.leave.push([roomId, await leftRoom(answer, change.room, change.member, change.since)])
    }
  }
  return {
    join: Object.fromEntries(sections.join),
    invite: Object.fromEntries(sections.invite),
    knock: Object.fromEntries(sections.knock),
    leave: Object.fromEntries(sections.leave),
  }
}

/**
 * What the user may know of a room that they aren't in, their own member event last.
 *
 * NOTSPEC: "A stripped down state event, with only the `type`, `state_key`, `sender`, and `content` keys." Their own event
 * is whole, since clients show invitations with its `origin_server_ts`, and without one in the year 1970.
 */
async function strippedState(answer: SyncAnswer, { room, member }: RoomChange): Promise<JsonObject[]> {
  const { tx, request } = answer
  const own = await answer.whole(member)
  // Of a room elsewhere there is no more than what came with the invite or the knock.
  const given = await tx.memberships.stripped(request.viewer.userNid, room.roomNid)
  if (given !== null) {
    const others = given.filter((event) => event['type'] !== own['type'] || event['state_key'] !== own['state_key'])
    return [...others, own]
  }
  const keys = [
    ...STRIPPED_STATE_TYPES.map((type) => [type, ''] as const),
    // The inviter, so that clients can show who it is.
    ['m.room.member', member.event.sender as UserId] as const,
  ]
  const nids = (await tx.state.getMany(member.stateAfter, keys)).filter((nid) => nid !== null && nid !== member.nid)
  const events = await tx.events.byNids(nids as Exclude<(typeof nids)[number], null>[])
  return [...[...events.values()].map(({ event }) => strippedEvent(event)), own]
}

function isEmpty({ rooms, account_data, presence, to_device, device_lists }: SyncResponse): boolean {
  return (
    account_data.events.length === 0 &&
    presence.events.length === 0 &&
    to_device.events.length === 0 &&
    device_lists.changed.length === 0 &&
    device_lists.left.length === 0 &&
    Object.values(rooms).every((section: Record<RoomId, unknown>) => Object.keys(section).length === 0)
  )
}
