/** A room whose events are made by hand, in the name of servers of the test: what a hostile server says that a room is. */
import { authEventKeys } from '#core/event/auth-events.ts'
import { type Event, stateMapKey } from '#core/event/event.ts'
import { eventIdOf, referenceTo } from '#core/event/hash.ts'
import { viewEvent } from '#core/event/parse-event.ts'
import { hashAndSignEvent, type Signer } from '#core/event/sign.ts'
import type { EventId, RoomId, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { ROOM_VERSIONS, type RoomVersionRules } from '#core/room-versions.ts'

/** What a test says of an event; the rest follows from the room as it stands. */
export type RemoteDraft = {
  readonly type?: string
  readonly stateKey?: string
  readonly sender?: UserId
  readonly content?: JsonObject
  readonly prevEvents?: readonly Event[]
  readonly authEvents?: readonly Event[]
  readonly signer?: Signer
  /** Replaces or adds members before it is hashed and signed. */
  readonly json?: JsonObject
}

let roomsMade = 0

export class RemoteRoom {
  readonly rules: RoomVersionRules
  readonly creator: UserId
  readonly signer: Signer
  /** All that were added, oldest first. */
  readonly timeline: Event[] = []
  readonly state = new Map<string, Event>()
  tips: readonly Event[] = []
  readonly #byId = new Map<EventId, Event>()
  readonly #ownRoomId: RoomId
  #made = 0

  /** A public room with its creator, who has all power, in it. */
  constructor(version: string, creator: UserId, signer: Signer, joinRule = 'public') {
    this.rules = ROOM_VERSIONS.get(version) as RoomVersionRules
    this.creator = creator
    this.signer = signer
    this.#ownRoomId = `!remote${roomsMade++}of${process.pid}:${signer.name}` as RoomId
    const named = this.rules.auth.createNamesCreator ? { creator } : {}
    // From version 12 on the same create event, at the same time, would be the same room.
    const content = { room_version: version, ...named, 'org.example.number': roomsMade }
    this.add(this.event({ type: 'm.room.create', stateKey: '', content }))
    this.member(creator, 'join')
    const users = this.rules.auth.privilegedCreators ? {} : { [creator]: 100 }
    this.put('m.room.power_levels', { users })
    this.put('m.room.join_rules', { join_rule: joinRule })
    this.put('m.room.history_visibility', { history_visibility: 'shared' })
  }

  get roomId(): RoomId {
    const create = this.state.get(stateMapKey('m.room.create', ''))
    return create?.roomId ?? this.#ownRoomId
  }

  /** An event that isn't part of the room (yet). */
  event(draft: RemoteDraft): Event {
    this.#made += 1
    const {
      type = 'm.room.message',
      stateKey,
      sender = this.creator,
      content = { body: `event ${this.#made}` },
    } = draft
    const { prevEvents = this.tips, signer = this.signer } = draft
    const keys = authEventKeys({ type, stateKey: stateKey ?? null, sender, content }, this.rules)
    const authEvents = draft.authEvents ?? keys.flatMap(([t, k]) => this.state.get(stateMapKey(t, k)) ?? [])
    const isFirst = this.rules.roomIdIsCreateHash && type === 'm.room.create'
    const unsigned = {
      type,
      ...(stateKey === undefined ? {} : { state_key: stateKey }),
      sender,
      content,
      ...(isFirst ? {} : { room_id: this.roomId }),
      prev_events: prevEvents.map(referenceTo),
      auth_events: authEvents.map(referenceTo),
      depth: Math.max(0, ...prevEvents.map(({ depth }) => depth)) + 1,
      origin_server_ts: Date.now(),
      ...(this.rules.eventIdFormat === 'chosen'
        ? { event_id: `$made${this.#made}x${process.hrtime.bigint()}:${signer.name}` }
        : {}),
      ...draft.json,
    }
    const json = hashAndSignEvent(unsigned as unknown as JsonObject, this.rules, signer)
    return viewEvent(json, this.rules, eventIdOf(json, this.rules))
  }

  /** Makes it part of the room, on top of all that it cites. */
  add(event: Event): Event {
    this.timeline.push(event)
    this.#byId.set(event.eventId, event)
    if (event.stateKey !== null) this.state.set(stateMapKey(event.type, event.stateKey), event)
    this.tips = [...this.tips.filter((tip) => !event.prevEvents.includes(tip.eventId)), event]
    return event
  }

  send(content: JsonObject, sender = this.creator, signer = this.signer): Event {
    return this.add(this.event({ content, sender, signer }))
  }

  put(type: string, content: JsonObject, sender = this.creator, signer = this.signer, stateKey = ''): Event {
    return this.add(this.event({ type, stateKey, content, sender, signer }))
  }

  member(userId: UserId, membership: string, sender = userId, signer = this.signer, more: JsonObject = {}): Event {
    return this.put('m.room.member', { membership, ...more }, sender, signer, userId)
  }

  /** Reads an event that somebody else made, and adds it. */
  take(json: JsonObject): Event {
    return this.add(viewEvent(json, this.rules, eventIdOf(json, this.rules)))
  }

  byId(eventId: EventId): Event | undefined {
    return this.#byId.get(eventId)
  }

  /** The template of a member event on top of the room, as `make_join` answers it. */
  template(userId: UserId, membership: string, more: JsonObject = {}): JsonObject {
    const content = { membership }
    const event = this.event({ type: 'm.room.member', stateKey: userId, sender: userId, content, json: more })
    const { hashes: _hashes, signatures: _signatures, event_id: _id, ...rest } = event.json as Record<string, never>
    return rest
  }

  get stateEvents(): Event[] {
    return [...this.state.values()]
  }

  /** Everything that authorises these. */
  authChain(events: readonly Event[]): Event[] {
    const chain = new Map<EventId, Event>()
    const left = events.flatMap((event) => event.authEvents)
    for (let eventId = left.pop(); eventId !== undefined; eventId = left.pop()) {
      const event = this.byId(eventId)
      if (event === undefined || chain.has(eventId)) continue
      chain.set(eventId, event)
      left.push(...event.authEvents)
    }
    return [...chain.values()]
  }
}
