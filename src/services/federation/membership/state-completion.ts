/** What is done when a room's full state has come: everything since the join is judged again with it. */
import { requiredSignatures } from '#core/event/sign.ts'
import { createEventIdOf, type EventId } from '#core/ids.ts'
import type { InboundRoom } from '#services/federation/inbound/inbound-room.ts'
import { redactReevaluated } from '#services/rooms/pipeline/apply-redaction.ts'
import { checkAuthEvents } from '#services/rooms/pipeline/check-auth-events.ts'
import { checkState } from '#services/rooms/pipeline/check-state.ts'
import { readAuthState } from '#services/rooms/pipeline/received-state.ts'
import { stateBefore } from '#services/rooms/pipeline/state-before.ts'
import { ACCEPT, type Verdict } from '#services/rooms/pipeline/verdict.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import type { EventNid, EventRow, NewEvent } from '#store/types/events.ts'
import type { StateId } from '#store/types/state.ts'

/** Events that are read at once. */
const READ_EVENTS_MAX = 200

const VERDICTS: Readonly<Record<string, NewEvent['verdict']>> = { 'soft-fail': 'soft-failed', reject: 'rejected' }

/**
 * Puts the full state before the join in the place of what was known of it, judges the join and all that came after it
 * again, and makes the room whole; with it, stays before this one that ended before they were whole. Written in steps
 * that can be taken again after a crash; only the last one ends the partial state. False, with nothing written, where
 * the join would not stand on that state, or isn't the room's latest.
 *
 * @param states the full states before joins
 */
export function completeState(
  context: RoomContext,
  room: InboundRoom,
  states: ReadonlyMap<EventId, StateId>,
): Promise<boolean> {
  return context.queues.inTurn(room.roomId, () => new Completion(context, room, states).run())
}

class Completion {
  readonly #context: RoomContext
  readonly #room: InboundRoom
  readonly #states: ReadonlyMap<EventId, StateId>
  /** Accepted events that no other accepted one cites, with the states after them. */
  readonly #leaves = new Map<EventNid, StateId>()
  #current = 0 as StateId
  readonly #judged = new Set<EventNid>()

  constructor(context: RoomContext, room: InboundRoom, states: ReadonlyMap<EventId, StateId>) {
    this.#context = context
    this.#room = room
    this.#states = states
  }

  async run(): Promise<boolean> {
    const { store } = this.#context
    const from = await this.#beginning()
    if (from === null) return false
    let after = from - 1
    for (;;) {
      const since = after
      const rows = await store.read((tx) =>
        tx.events.receivedBetween(this.#room.nid, since, Number.MAX_SAFE_INTEGER, READ_EVENTS_MAX),
      )
      for (const row of rows) await this.#judgeInOrder(row, from)
      const last = rows.at(-1)
      if (last?.position == null) break
      after = last.position
    }
    await store.write(async (tx) => {
      const expectedHeadSeq = await tx.rooms.replaceExtremities(this.#room.nid, [...this.#leaves.keys()])
      await tx.events.append({ roomNid: this.#room.nid, expectedHeadSeq, events: [], currentState: this.#current })
      await tx.rooms.setPartial(this.#room.nid, null)
    })
    return true
  }

  /** The position of the first join that stands on its state; null where the latest one doesn't. */
  async #beginning(): Promise<number | null> {
    const { store } = this.#context
    const partial = (await store.read((tx) => tx.rooms.byNid(this.#room.nid)))?.partial ?? null
    if (partial === null) return null
    let beginning: number | null = null
    for (const joinEvent of [partial.joinEvent, ...(partial.earlierJoins ?? []).toReversed()]) {
      const full = this.#states.get(joinEvent)
      const join = await store.read((tx) => tx.events.byId(joinEvent))
      if (full === undefined || join === null || join.position === null) return beginning
      this.#current = full
      if ((await this.#verdict(join, full)).outcome !== 'accept') return beginning
      beginning = join.position
    }
    return beginning
  }

  /** Judges an event again, after those that it cites and that came since position `from`, even if later than it. */
  async #judgeInOrder(row: EventRow, from: number): Promise<void> {
    // In versions 1 and 2, where senders choose event ids, events may cite each other.
    const entered = new Set<EventNid>()
    const stack = [row]
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      entered.add(top.nid)
      const lacking = (await this.#cited(top)).filter(
        ({ nid, position }) => position !== null && position >= from && !this.#judged.has(nid) && !entered.has(nid),
      )
      stack.push(...lacking)
      if (lacking.length > 0) continue
      stack.pop()
      if (this.#judged.has(top.nid)) continue
      await this.#judgeAgain(top, from)
      this.#judged.add(top.nid)
    }
  }

  async #judgeAgain(row: EventRow, from: number): Promise<void> {
    const { store } = this.#context
    const full = this.#states.get(row.event.eventId)
    const cited = (await this.#cited(row)).filter(
      ({ nid, position }) => position === null || position < from || this.#judged.has(nid),
    )
    const before = full ?? (await this.#resolved(await this.#statesBefore(row, cited)))
    if (full !== undefined) {
      // A membership period begins: the room has moved on since an earlier one.
      this.#leaves.clear()
      this.#current = full
    }
    const verdict = await this.#verdict(row, before)
    await store.write(async (tx) => {
      if (verdict.outcome === 'soft-fail' || verdict.outcome === 'reject') {
        await tx.events.reevaluate(row.nid, VERDICTS[verdict.outcome]!, `${verdict.rule}: ${verdict.reason}`, before)
        return
      }
      await tx.events.reevaluate(row.nid, 'accepted', undefined, before)
      await redactReevaluated(tx, row, before)
    })
    if (verdict.outcome !== 'accept') return
    for (const { nid } of cited) this.#leaves.delete(nid)
    const judged = await store.read((tx) => tx.events.byNids([row.nid]))
    this.#leaves.set(row.nid, judged.get(row.nid)!.stateAfter)
    this.#current = await this.#resolved([...this.#leaves.values()])
  }

  /** The events that one cites and that have a place in the timeline, as they have been judged by now. */
  async #cited({ nid }: EventRow): Promise<EventRow[]> {
    return this.#context.store.read(async (tx) => {
      const nids = (await tx.events.prevOf([nid])).get(nid) ?? []
      return [...(await tx.events.byNids(nids)).values()].filter(({ rank }) => rank !== null)
    })
  }

  /**
   * The states that resolve to the one before an event. Not the state by which it was judged at first, where others said
   * what stands for the events that aren't here: that one lacks members, and where the room has been closed since, the
   * rules drop those whom only some states have.
   */
  async #statesBefore({ event, stateBefore }: EventRow, cited: readonly EventRow[]): Promise<readonly StateId[]> {
    const known = cited.map(({ stateAfter }) => stateAfter)
    if (known.length === event.prevEvents.length) return known
    const claimed = await this.#context.store.read((tx) => tx.rooms.claimedState(this.#room.nid, event.eventId))
    if (claimed === null) return [...known, stateBefore]
    return 'before' in claimed ? [claimed.before] : [...known, ...claimed.after]
  }

  #resolved(states: readonly StateId[]): Promise<StateId> {
    return stateBefore(this.#context.store, this.#room.nid, this.#room.rules, states)
  }

  async #verdict({ event, rejected }: EventRow, before: StateId): Promise<Verdict> {
    const { store } = this.#context
    const { auth, create } = await store.read(async (tx) => ({
      auth: await tx.events.byIds(event.authEvents),
      create: event.rules.roomIdIsCreateHash ? await tx.events.byId(createEventIdOf(event.roomId)) : null,
    }))
    const missing = { outcome: 'reject', rule: 'auth_events', reason: 'auth events are missing' } as const
    if (auth.length < event.authEvents.length) return rejected ? missing : ACCEPT
    const refused = new Set(auth.filter((row) => row.rejected).map((row) => row.event.eventId))
    const authorised = checkAuthEvents(event, {
      authEvents: auth.map((row) => row.event),
      create: create === null || create.rejected ? undefined : create.event,
      isRejected: (eventId) => refused.has(eventId),
      isSignedBy: (server) => requiredSignatures(event).has(server),
    })
    if (authorised.outcome !== 'accept') return authorised
    const [then, now] = await store.read(async (tx) => {
      const then = await readAuthState(tx, before, event)
      return [then, before === this.#current ? then : await readAuthState(tx, this.#current, event)] as const
    })
    return checkState(event, then, now)
  }
}
