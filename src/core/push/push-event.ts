import type { Event } from '#core/event/event.ts'
import type { JsonValue } from '#core/json/value.ts'
import { parsePropertyPath, propertyAt } from '#core/property-path.ts'

/** What rules may ask of the room, as it stands at the event. */
export type PushRoom = {
  /** How many users have joined. */
  readonly memberCount: number
  /** The power level of the event's sender; infinite for a creator from room version 12 on. */
  readonly senderLevel: number
  /** The level that `notifications` of `m.room.power_levels` asks for a key such as `room`, with its default. */
  readonly notificationLevel: (key: string) => number
}

/** A property that a condition names: the path as it was written, and taken apart. */
export type PropertyRef = { readonly path: string; readonly names: readonly string[] }

export function propertyRef(path: string): PropertyRef {
  return { path, names: parsePropertyPath(path) }
}

const BODY = propertyRef('content.body')

/** How much of `content.body` is searched for words, in UTF-16 code units. */
export const SEARCHED_LENGTH_MAX = 8_192
/** How many steps of comparing one evaluation may cost; what would cost more doesn't match. */
const STEPS_MAX = 16_000_000

/**
 * An event as push rules see it. Made once and evaluated for every member of the room, so it remembers the properties
 * that were asked for.
 */
export class PushEvent {
  readonly sender: string
  readonly roomId: string
  readonly room: PushRoom
  readonly #event: Pick<Event, 'eventId' | 'roomId' | 'sender' | 'json'>
  readonly #values = new Map<string, JsonValue | undefined>()
  readonly #lowered = new Map<string, string>()
  #searchedBody: string | null | undefined
  #stepsLeft = STEPS_MAX

  constructor(event: Pick<Event, 'eventId' | 'roomId' | 'sender' | 'json'>, room: PushRoom) {
    this.sender = event.sender
    this.roomId = event.roomId
    this.room = room
    this.#event = event
  }

  /** The value of a property; undefined if it is absent. */
  value(property: PropertyRef): JsonValue | undefined {
    const known = this.#values.get(property.path)
    if (known !== undefined || this.#values.has(property.path)) return known
    const value = this.#read(property.names)
    this.#values.set(property.path, value)
    return value
  }

  /** A string property in lower case; null if it isn't a string. */
  loweredText(property: PropertyRef): string | null {
    const known = this.#lowered.get(property.path)
    if (known !== undefined) return known
    const value = this.value(property)
    if (typeof value !== 'string') return null
    const lowered = value.toLowerCase()
    this.#lowered.set(property.path, lowered)
    return lowered
  }

  /** The part of `content.body` that is searched for words, in lower case; null if it isn't a string. */
  get searchedBody(): string | null {
    this.#searchedBody ??= this.loweredText(BODY)?.slice(0, SEARCHED_LENGTH_MAX) ?? null
    return this.#searchedBody
  }

  /** Each evaluation has its own allowance, so that one user's costly patterns don't change another's outcome. */
  startEvaluation(): void {
    this.#stepsLeft = STEPS_MAX
  }

  /** Takes the price of a comparison from the allowance; false if it can't be paid, and then cheaper ones still can. */
  affords(steps: number): boolean {
    if (steps > this.#stepsLeft) return false
    this.#stepsLeft -= steps
    return true
  }

  /** The client's view of the event has ids that the federation's format leaves out. */
  #read(names: readonly string[]): JsonValue | undefined {
    if (names.length === 1 && names[0] === 'event_id') return this.#event.eventId
    if (names.length === 1 && names[0] === 'room_id') return this.#event.roomId
    return propertyAt(this.#event.json, names)
  }
}
