import type { EventId, UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, member } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import type { RoomDraft } from '#services/rooms/queue/room-draft.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'

type Annotation = { readonly parent: EventId; readonly key: string }

/**
 * "Homeservers should prevent users from sending a second annotation for a given event with identical event `type` and
 * annotation `key` (unless the first event has been redacted)."
 *
 * @throws M_DUPLICATE_ANNOTATION
 */
export async function checkAnnotation(
  context: RoomContext,
  draft: RoomDraft,
  wanted: { readonly type: string; readonly sender: UserId; readonly content: JsonObject },
): Promise<void> {
  const annotation = annotationIn(wanted.content)
  if (annotation === null) return
  const isSame = (event: { type: string; sender: UserId; content: JsonObject }) => {
    const other = annotationIn(event.content)
    return (
      event.type === wanted.type &&
      event.sender === wanted.sender &&
      other?.parent === annotation.parent &&
      other.key === annotation.key
    )
  }
  const stored = await context.store.read(async (tx) => {
    const sender = await tx.users.nid(wanted.sender)
    const related = await tx.events.relations(draft.roomNid, annotation.parent, 'm.annotation')
    const own = related.filter((row) => row.senderNid === sender && row.type === wanted.type)
    return [...(await tx.events.byNids(own.map((row) => row.eventNid))).values()]
  })
  // A redacted annotation has no `m.relates_to` any more.
  if (stored.some((row) => isSame(row.event)) || draft.events.some(({ event }) => isSame(event))) {
    throw new MatrixError('M_DUPLICATE_ANNOTATION', 'You have sent this annotation already')
  }
}

function annotationIn(content: JsonObject): Annotation | null {
  const relatesTo = member(content, 'm.relates_to')
  if (!isJsonObject(relatesTo) || member(relatesTo, 'rel_type') !== 'm.annotation') return null
  const parent = member(relatesTo, 'event_id')
  const key = member(relatesTo, 'key')
  return typeof parent === 'string' && typeof key === 'string' ? { parent: parent as EventId, key } : null
}
