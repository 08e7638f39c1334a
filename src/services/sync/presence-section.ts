import { eventPasses } from '#core/filter/event-filter.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { EphemeralSequence } from '#services/log/ephemeral-sequence.ts'
import type { PresenceService } from '#services/presence/presence-service.ts'
import { presenceEvent, type UserPresence } from '#services/presence/user-presence.ts'
import type { RoomChange } from '#services/sync/room-changes.ts'
import type { SyncAnswer } from '#services/sync/sync-answer.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { RoomNid } from '#store/types/rooms.ts'

type Deps = {
  readonly presence: PresenceService
  readonly sequence: EphemeralSequence
  readonly clock: () => number
}
type Rooms = { readonly rooms: readonly RoomChange[]; readonly joined: ReadonlySet<RoomNid> }

/**
 * `m.presence` events: of whoever changed and shares a room with the user; of all who share one on an initial sync, and
 * when the user has come into a room.
 */
export async function presenceSection(answer: SyncAnswer, { rooms, joined }: Rooms, deps: Deps): Promise<JsonObject[]> {
  const { viewer, filter, since } = answer.request
  const hasNewRoom = rooms.some(({ section, room }) => section === 'join' && room.isNew)
  const everybody = since === null || hasNewRoom
  const changed = since === null ? [] : deps.presence.changedSince(deps.sequence.seenBy(since))
  const candidates = everybody ? new Set([...changed, ...deps.presence.changedSince(null)]) : changed
  const wanted: { readonly user: UserPresence; readonly event: JsonObject }[] = []
  const timeSlice = new TimeSlice()
  for (const user of candidates) {
    await timeSlice.yieldIfDue()
    const event = presenceEvent(user, deps.clock())
    if (!answer.ignored.has(event.sender) && eventPasses(filter.presence, event)) wanted.push({ user, event })
  }
  if (wanted.length === 0) return []
  const users = wanted.map(({ user }) => user)
  const visible = new Set(await deps.presence.visible(answer.tx, viewer, joined, users))
  return wanted.filter(({ user }) => visible.has(user)).map(({ event }) => event)
}
