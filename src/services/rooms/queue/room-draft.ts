import type { StateLookup } from '#core/auth/room-view.ts'
import { authEventKeys } from '#core/event/auth-events.ts'
import { buildEvent } from '#core/event/build-event.ts'
import type { Event, StateKey } from '#core/event/event.ts'
import { stateMapKey } from '#core/event/event.ts'
import { referenceTo } from '#core/event/hash.ts'
import type { Signer } from '#core/event/sign.ts'
import type { EventId, RoomId, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'
import { checkAuthEvents } from '#services/rooms/pipeline/check-auth-events.ts'
import { checkState } from '#services/rooms/pipeline/check-state.ts'
import type { RoomHead, Tip } from '#services/rooms/queue/room-head.ts'
import { RefusedEventError } from '#services/rooms/refused-event-error.ts'
import type { Store, Tx } from '#store/store.ts'
import type { NewEvent, TransactionKey } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** An event as a service wants it; the draft adds what places it in the room. */
export type NewOwnEvent = {
  readonly type: string
  /** Absent for events that aren't state. */
  readonly stateKey?: string
  readonly sender: UserId
  readonly content: JsonObject
  readonly redacts?: EventId
  /** Milliseconds; the time of the clock where absent. */
  readonly originServerTs?: number
  readonly transaction?: TransactionKey | undefined
  readonly redaction?: NonNullable<NewEvent['redaction']> | undefined
  /** See `NewEvent.unapplied`. */
  readonly unapplied?: boolean
}

export type DraftDeps = {
  readonly store: Store
  readonly signer: Signer
  readonly clock: () => number
  /** Random text for the event ids of room versions 1 and 2, and for room ids. */
  readonly newLocalpart: () => string
}

/** What must be written together with a draft's events. */
export type SideWrite = (tx: Tx, room: RoomNid) => Promise<void>

/** Where a draft stood, to go back to. */
export type DraftMark = { readonly events: number; readonly undo: number; readonly sideWrites: number }

/**
 * Events that are built on top of a room's head and of each other, to be committed together. Each is authorised when
 * it is added, by the state that the ones before it leave.
 */
export class RoomDraft {
  readonly rules: RoomVersionRules
  readonly #deps: DraftDeps
  readonly #head: RoomHead
  #roomId: RoomId | null
  #tips: readonly Tip[] | null = null
  readonly #events: NewEvent[] = []
  readonly #state = new Map<string, Event>()
  /** What `#state` held before each change. */
  readonly #undo: (readonly [key: string, before: Event | undefined])[] = []
  readonly #sideWrites: SideWrite[] = []

  /** `roomId` is null for a new room whose id its create event will make. */
  constructor(deps: DraftDeps, head: RoomHead, roomId: RoomId | null = head.roomId) {
    this.#deps = deps
    this.#head = head
    this.rules = head.rules
    this.#roomId = roomId
  }

  /** Not to be asked before the create event of a new room of version 12. */
  get roomId(): RoomId {
    if (this.#roomId === null) throw new Error('The room has no create event yet')
    return this.#roomId
  }

  get roomNid(): RoomNid {
    return this.#head.nid
  }

  get events(): readonly NewEvent[] {
    return this.#events
  }

  /** The state that the draft changes. */
  get changedState(): Iterable<Event> {
    return this.#state.values()
  }

  get sideWrites(): readonly SideWrite[] {
    return this.#sideWrites
  }

  get isEmpty(): boolean {
    return this.#events.length === 0 && this.#sideWrites.length === 0
  }

  /** The event at one key of the room's state, after the draft's own events; null for none. */
  async state(type: string, stateKey: string): Promise<Event | null> {
    const found = this.#stateAtHand(type, stateKey)
    if (found !== undefined) return found
    await this.#load([[type, stateKey]])
    return this.#stateAtHand(type, stateKey) ?? null
  }

  /**
   * Makes, signs and authorises an event on top of the draft.
   *
   * @throws RefusedEventError (M_FORBIDDEN, or M_BAD_JSON) naming the rule that refuses it; M_BAD_JSON, M_TOO_LARGE, M_INVALID_PARAM from `buildEvent`
   */
  async send(wanted: NewOwnEvent): Promise<Event> {
    const { type, stateKey, sender, content } = wanted
    const keys = authEventKeys({ type, stateKey: stateKey ?? null, sender, content }, this.rules)
    const create: StateKey = ['m.room.create', '']
    await this.#load([...keys, create])
    const authEvents = keys.flatMap(([t, k]) => this.#stateAtHand(t, k) ?? [])
    const tips = this.nextTips()
    const isFirst = type === 'm.room.create' && this.rules.roomIdIsCreateHash
    const event = buildEvent(
      {
        type,
        ...(stateKey === undefined ? {} : { state_key: stateKey }),
        sender,
        content,
        ...(isFirst ? {} : { room_id: this.roomId }),
        prev_events: tips.map((tip) => tip.reference),
        auth_events: authEvents.map(referenceTo),
        depth: nextDepth(tips),
        origin_server_ts: wanted.originServerTs ?? this.#deps.clock(),
        ...(wanted.redacts === undefined ? {} : { redacts: wanted.redacts }),
      },
      this.rules,
      this.#deps.signer,
      this.#deps.newLocalpart,
    )
    this.#authorise(event, authEvents)
    this.#add(event, wanted)
    return event
  }

  /** Refuses what `send` would refuse, and adds nothing. @throws as `send` */
  async check(wanted: NewOwnEvent): Promise<void> {
    const mark = this.mark()
    await this.send(wanted)
    this.rollback(mark)
  }

  /** Writes something else in the same transaction: `write` may be run again, and takes back everything if it throws. */
  alongside(write: SideWrite): void {
    this.#sideWrites.push(write)
  }

  mark(): DraftMark {
    return { events: this.#events.length, undo: this.#undo.length, sideWrites: this.#sideWrites.length }
  }

  /** Takes back what was added since the mark. */
  rollback(mark: DraftMark): void {
    this.#events.length = mark.events
    this.#sideWrites.length = mark.sideWrites
    while (this.#undo.length > mark.undo) {
      const [key, before] = this.#undo.pop()!
      if (before === undefined) this.#state.delete(key)
      else this.#state.set(key, before)
    }
    const last = this.#events.at(-1)
    this.#tips = last === undefined ? null : [tipOf(last.event)]
  }

  /** What the room's next event will cite once the draft is committed. */
  nextTips(): readonly Tip[] {
    return this.#tips ?? this.#head.at.tips
  }

  /**
   * Our own events take the pipeline where it begins to differ between events: format, hash and signature are right by
   * the way they are made, and the state before is the draft's.
   */
  #authorise(event: Event, authEvents: readonly Event[]): void {
    const state: StateLookup = (type, stateKey) => this.#stateAtHand(type, stateKey) ?? undefined
    const ours = this.#deps.signer.name
    let verdict = checkAuthEvents(event, {
      authEvents,
      create: this.rules.roomIdIsCreateHash ? state('m.room.create', '') : undefined,
      isRejected: () => false,
      isSignedBy: (server) => server === ours,
    })
    if (verdict.outcome === 'accept') verdict = checkState(event, state, state)
    if (verdict.outcome === 'reject') throw new RefusedEventError(verdict.rule, verdict.reason, this.rules)
  }

  #add(event: Event, { transaction, redaction, unapplied }: NewOwnEvent): void {
    if (this.#roomId === null) this.#roomId = event.roomId
    this.#events.push({
      event,
      verdict: 'accepted',
      stateBefore: this.#events.length === 0 ? this.#head.at.stateBefore : 'previous',
      ...(transaction === undefined ? {} : { transaction }),
      ...(redaction === undefined ? {} : { redaction }),
      ...(unapplied === true ? { unapplied } : {}),
    })
    this.#tips = [tipOf(event)]
    if (event.stateKey !== null) this.#change(event.type, event.stateKey, event)
    if (redaction !== undefined) this.#redactState(redaction.redacted)
  }

  /** What is redacted counts as redacted for the events that follow. */
  #redactState(redacted: Event): void {
    if (redacted.stateKey === null) return
    const current = this.#stateAtHand(redacted.type, redacted.stateKey)
    if (current?.eventId === redacted.eventId) this.#change(redacted.type, redacted.stateKey, redacted)
  }

  #change(type: string, stateKey: string, event: Event): void {
    const key = stateMapKey(type, stateKey)
    this.#undo.push([key, this.#state.get(key)])
    this.#state.set(key, event)
  }

  #stateAtHand(type: string, stateKey: string): Event | null | undefined {
    return this.#state.get(stateMapKey(type, stateKey)) ?? this.#head.known(type, stateKey)
  }

  /** Has these keys at hand afterwards. A hot room's message finds all of them there, and the store isn't asked. */
  async #load(keys: readonly StateKey[]): Promise<void> {
    const missing = keys.filter(([type, stateKey]) => this.#stateAtHand(type, stateKey) === undefined)
    if (missing.length === 0) return
    const { stateId } = this.#head.at
    if (stateId === 0) {
      for (const [type, stateKey] of missing) this.#head.learn(type, stateKey, null)
      return
    }
    await this.#deps.store.read(async (tx) => {
      const nids = await tx.state.getMany(stateId, missing)
      const rows = await tx.events.byNids(nids.filter((nid) => nid !== null))
      missing.forEach(([type, stateKey], index) => {
        const nid = nids[index] ?? null
        this.#head.learn(type, stateKey, nid === null ? null : (rows.get(nid)?.event ?? null))
      })
    })
  }
}

function tipOf(event: Event): Tip {
  return { reference: referenceTo(event), depth: event.depth }
}

/** "The maximum depth of its prev_events, plus one", within what canonical JSON can hold. */
export function nextDepth(tips: readonly Tip[]): number {
  const depth = tips.reduce((max, tip) => Math.max(max, tip.depth), 0)
  return Math.min(depth + 1, Number.MAX_SAFE_INTEGER)
}
