import { PowerLevels } from '#core/auth/power-levels.ts'
import type { Event } from '#core/event/event.ts'
import { type EventId, fitsIdLimit, isEventId, serverOf, type UserId } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { forbidden, MatrixError, notFound } from '#core/matrix-error.ts'
import { redactedCopy } from '#services/rooms/pipeline/apply-redaction.ts'
import type { RoomDraft } from '#services/rooms/queue/room-draft.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import { checkStateContent } from '#services/rooms/sending/state-content.ts'
import type { EventRow, NewEvent } from '#store/types/events.ts'

/** Who sends an event, or redacts one. */
export type Sender = { readonly userId: UserId; readonly isAdmin: boolean }

/**
 * What a local user's redaction does: the redacted copy that takes the event's place, or nothing when another redaction
 * did that before. One of an event that isn't here is sent all the same: it applies elsewhere, and here when that comes.
 *
 * The rules of room versions from 3 on let a server redact whatever its users sent, and leave it to the server which
 * of them may. Here that is the event's own sender, those with the *redact level*, and server administrators.
 *
 * @throws M_NOT_FOUND for an event of another room, and for what names no event; M_FORBIDDEN
 */
export async function redactionOf(
  context: RoomContext,
  draft: RoomDraft,
  sender: Sender,
  target: EventId,
): Promise<Pick<NewEvent, 'redaction' | 'unapplied'>> {
  const row = await context.store.read((tx) => tx.events.byId(target))
  if (row === null && isEventId(target) && fitsIdLimit(target)) return { unapplied: true }
  if (row === null || row.rejected || row.roomNid !== draft.roomNid) throw notFound('The room has no such event')
  if (!(await mayRedact(context, draft, sender, row))) {
    throw forbidden("Redacting another user's event takes the redact level of this room")
  }
  if (row.redactedBy !== null) return {}
  const redacted = redactedCopy(row.event)
  await checkWhatIsLeft(context, draft, row.event, redacted)
  return { redaction: { target: row.nid, redacted } }
}

/**
 * State that stands in the room must be such, once redacted, as could have been sent: an access control list without
 * `allow`, for example, ends the room for everybody.
 */
async function checkWhatIsLeft(context: RoomContext, draft: RoomDraft, event: Event, redacted: Event): Promise<void> {
  const { type, stateKey } = event
  if (stateKey === null || (await draft.state(type, stateKey))?.eventId !== event.eventId) return
  // Servers that join would take the room for one of another version.
  if (type === 'm.room.create' && canonicalJson(redacted.content) !== canonicalJson(event.content)) {
    throw forbidden('Redacting the create event would take away what the room is built on')
  }
  try {
    await checkStateContent(context, draft, { type, stateKey, content: redacted.content })
  } catch (error) {
    if (error instanceof MatrixError)
      throw forbidden(`Redacting this would leave what may not be sent: ${error.message}`)
    throw error
  }
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
