import type { EventId, RoomId, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'

/**
 * An event in the federation format, parsed. Immutable. `json` is what was received, with every unknown field; the
 * other members are views of it, made once, so that rules need not look into untyped JSON.
 */
export type Event = {
  readonly eventId: EventId
  /** From the event; for a create event of room version 12 (which carries none) computed from the event id. */
  readonly roomId: RoomId
  readonly rules: RoomVersionRules
  readonly type: string
  /** null for an event that isn't state. '' is a state key. */
  readonly stateKey: string | null
  readonly sender: UserId
  readonly content: JsonObject
  readonly originServerTs: number
  readonly depth: number
  readonly prevEvents: readonly EventId[]
  /** As listed in the event. Room version 12 implies the create event, which is not listed. */
  readonly authEvents: readonly EventId[]
  /** The event that a redaction names, from `redacts` or `content.redacts` as the version has it. */
  readonly redacts: EventId | null
  readonly json: JsonObject
}

/** One key of a room's state. */
export type StateKey = readonly [type: string, stateKey: string]

/** How maps of state are keyed: type, NUL, state key. Neither half can hold a NUL in an event that we accept. */
export function stateMapKey(type: string, stateKey: string): string {
  return `${type}\0${stateKey}`
}

/** A room's state: `stateMapKey(type, stateKey)` → event id. */
export type StateMap = ReadonlyMap<string, EventId>
