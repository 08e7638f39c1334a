import { PowerLevels } from '#core/auth/power-levels.ts'
import { viewEvent } from '#core/event/parse-event.ts'
import { redactJson } from '#core/event/redact.ts'
import { type EventId, serverOf, type UserId } from '#core/ids.ts'
import { forbidden, notFound } from '#core/matrix-error.ts'
import type { RoomDraft } from '#services/rooms/queue/room-draft.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import type { EventRow, NewEvent } from '#store/types/events.ts'

/** Who sends an event, or redacts one. */
export type Sender = { readonly userId: UserId; readonly isAdmin: boolean }

/**
 * What a local user's redaction does: the redacted copy that takes the event's place, or undefined when another
 * redaction did that before.
 *
 * The rules of room versions from 3 on let a server redact whatever its users sent, and leave it to the server which
 * of them may. Here that is the event's own sender, those with the *redact level*, and server administrators.
 *
 * @throws M_NOT_FOUND for an event that isn't in this room, M_FORBIDDEN
 */
export async function redactionOf(
  context: RoomContext,
  draft: RoomDraft,
  sender: Sender,
  target: EventId,
): Promise<NewEvent['redaction']> {
  const row = await context.store.read((tx) => tx.events.byId(target))
  if (row === null || row.rejected || row.roomNid !== draft.roomNid) throw notFound('The room has no such event')
  if (!(await mayRedact(context, draft, sender, row))) {
    throw forbidden("Redacting another user's event takes the redact level of this room")
  }
  if (row.redactedBy !== null) return undefined
  const { event } = row
  return { target: row.nid, redacted: viewEvent(redactJson(event.json, event.rules), event.rules, event.eventId) }
}

async function mayRedact(context: RoomContext, draft: RoomDraft, sender: Sender, row: EventRow): Promise<boolean> {
  if (row.event.sender === sender.userId) return true
  if (sender.isAdmin && serverOf(row.event.sender) === context.serverName) return true
  const levels = await powerLevels(draft)
  return levels.userLevel(sender.userId) >= levels.redact
}

/** Who may do what in the room as the draft leaves it. */
export async function powerLevels(draft: RoomDraft): Promise<PowerLevels> {
  const event = await draft.state('m.room.power_levels', '')
  const create = await draft.state('m.room.create', '')
  return new PowerLevels(draft.rules, event ?? undefined, create ?? undefined)
}
