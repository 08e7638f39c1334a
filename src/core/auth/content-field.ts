import type { Event } from '#core/event/event.ts'
import { isJsonObject, type JsonValue, member } from '#core/json/value.ts'

/** One member of an event's content; undefined where it is absent or the content isn't an object. */
export function contentField(event: Event | undefined, key: string): JsonValue | undefined {
  return isJsonObject(event?.content) ? member(event.content, key) : undefined
}
