import type { AuthResult } from '#core/auth/auth-result.ts'
import { checkStateDependent } from '#core/auth/state-dependent.ts'
import { type AuthContext, checkStateIndependent } from '#core/auth/state-independent.ts'
import { authEventKeys } from '#core/event/auth-events.ts'
import { type Event, type StateMap, stateMapKey } from '#core/event/event.ts'
import type { EventId, RoomId, UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject } from '#core/json/value.ts'
import { ROOM_VERSIONS, type RoomVersionRules } from '#core/room-versions.ts'

/** What a test says of an event; the rest has usual values. `content` may be anything, to try odd events. */
export type EventDraft = {
  readonly type?: string
  readonly stateKey?: string | null
  readonly sender?: string
  readonly content?: unknown
  readonly id?: string
  readonly roomId?: string
  readonly ts?: number
  readonly depth?: number
  readonly prevEvents?: readonly string[]
  /** Those that the room's state selects, unless given. */
  readonly authEvents?: readonly (string | Event)[]
  readonly redacts?: string
  readonly json?: JsonObject
}

export const ALICE = '@alice:x.example' as UserId
export const BOB = '@bob:x.example' as UserId
export const CAROL = '@carol:x.example' as UserId
export const DAVE = '@dave:x.example' as UserId
export const EVE = '@eve:y.example' as UserId

export function rulesOf(version: number | string): RoomVersionRules {
  const rules = ROOM_VERSIONS.get(String(version))
  if (rules === undefined) throw new RangeError(`no room version ${version}`)
  return rules
}

/**
 * A room whose events are values with made-up ids. It starts with Alice, who made it and has 100 (or, from version 12,
 * more than any level), Bob with 50 and Carol with 0, all joined; it is public. Dave and Eve aren't in it.
 */
export class TestRoom {
  readonly rules: RoomVersionRules
  readonly roomId: RoomId
  readonly events = new Map<EventId, Event>()
  readonly state = new Map<string, Event>()
  readonly create: Event
  #made = 0

  constructor(version: number | string, createContent: JsonObject = {}) {
    this.rules = rulesOf(version)
    this.roomId = (this.rules.roomIdIsCreateHash ? '!create' : '!room:x.example') as RoomId
    const creator = this.rules.auth.createNamesCreator ? { creator: ALICE } : {}
    this.create = this.put({ type: 'm.room.create', id: '$create', content: { ...creator, ...createContent } })
    this.member(ALICE, 'join')
    this.powerLevels({})
    this.joinRule('public')
    this.member(BOB, 'join')
    this.member(CAROL, 'join')
  }

  /** An event that isn't in the room's state (yet). */
  event(draft: EventDraft): Event {
    this.#made += 1
    const { type = 'm.room.message', stateKey = null, sender = ALICE } = draft
    const content = ('content' in draft ? draft.content : {}) as JsonObject
    // Versions 1 and 2 have the domain of the sender's server in the id.
    const domain = this.rules.eventIdFormat === 'chosen' ? `:${sender.slice(sender.indexOf(':') + 1)}` : ''
    const event: Event = {
      eventId: (draft.id ?? `$event${this.#made}${domain}`) as EventId,
      roomId: (draft.roomId ?? this.roomId) as RoomId,
      rules: this.rules,
      type,
      stateKey,
      sender: sender as UserId,
      content,
      originServerTs: draft.ts ?? this.#made,
      depth: draft.depth ?? this.#made,
      prevEvents: (draft.prevEvents ?? []) as EventId[],
      authEvents: (draft.authEvents ?? this.#selected(type, stateKey, sender, content)).map(
        (cited) => (typeof cited === 'string' ? cited : cited.eventId) as EventId,
      ),
      redacts: (draft.redacts ?? null) as EventId | null,
      json: draft.json ?? {},
    }
    this.events.set(event.eventId, event)
    return event
  }

  /** Makes a state event (with an empty state key unless given) and puts it into the room's state unchecked. */
  put(draft: EventDraft): Event {
    const event = this.event({ stateKey: '', ...draft })
    this.state.set(stateMapKey(event.type, event.stateKey ?? ''), event)
    return event
  }

  /** Takes a part out of the room's state. */
  drop(type: string, stateKey = ''): void {
    this.state.delete(stateMapKey(type, stateKey))
  }

  member(userId: string, membership: string, sender: string = userId, more: JsonObject = {}): Event {
    return this.put({ type: 'm.room.member', stateKey: userId, sender, content: { membership, ...more } })
  }

  joinRule(joinRule: string, sender: string = ALICE): Event {
    return this.put({ type: 'm.room.join_rules', sender, content: { join_rule: joinRule } })
  }

  powerLevels(more: JsonObject, sender: string = ALICE): Event {
    return this.put({ type: 'm.room.power_levels', sender, content: { users: this.users({}), ...more } })
  }

  /** The levels of Alice, where they may be given, and Bob. */
  users(more: JsonObject): JsonObject {
    return { ...(this.rules.auth.privilegedCreators ? {} : { [ALICE]: 100 }), [BOB]: 50, ...more }
  }

  lookup = (type: string, stateKey: string): Event | undefined => this.state.get(stateMapKey(type, stateKey))

  /** The room's state as it stands, by id. */
  stateMap(): StateMap {
    return new Map([...this.state].map(([key, event]) => [key, event.eventId]))
  }

  /** What the rules on the room's state say. */
  decide(draft: EventDraft): AuthResult {
    return checkStateDependent(this.event(draft), this.lookup)
  }

  /** What the rules on the event and its auth events say; every server signed it and nothing was rejected. */
  judge(draft: EventDraft, context: Partial<AuthContext> = {}): AuthResult {
    const event = this.event(draft)
    return checkStateIndependent(event, {
      authEvents: event.authEvents.map((eventId) => this.events.get(eventId)).filter((cited) => cited !== undefined),
      create: this.create,
      isRejected: () => false,
      isSignedBy: () => true,
      ...context,
    })
  }

  #selected(type: string, stateKey: string | null, sender: string, content: JsonObject): Event[] {
    const subject = { type, stateKey, sender: sender as UserId, content: isJsonObject(content) ? content : {} }
    return authEventKeys(subject, this.rules)
      .map(([keyType, key]) => this.lookup(keyType, key))
      .filter((event) => event !== undefined)
  }
}
