/** The state before an event: "the resolution of the set of states" after the events that it cites. */
import { authEventKeys } from '#core/event/auth-events.ts'
import { type Event, type StateKey, type StateMap, stateMapKey } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'
import { authDifference, conflictedSubgraph } from '#core/state/auth-graph.ts'
import type { EventSource } from '#core/state/event-source.ts'
import { resolveV1 } from '#core/state/resolve-v1.ts'
import { resolveConflicted } from '#core/state/resolve-v2.ts'
import { Steps } from '#core/state/steps.ts'
import { LoadedAuthGraph, readEvents } from '#services/rooms/pipeline/auth-graph.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { Store } from '#store/store.ts'
import { inSlices } from '#store/time-slices.ts'
import type { EventNid, EventRow } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'

/**
 * The state that these states resolve to: one of them where they don't differ, otherwise one that is written if it
 * isn't there yet. Takes time for what differs, not for what the states have in common.
 */
export async function stateBefore(
  store: Store,
  room: RoomNid,
  rules: RoomVersionRules,
  states: readonly StateId[],
): Promise<StateId> {
  const [first, ...others] = [...new Set(states)].sort((a, b) => a - b)
  if (first === undefined) throw new RangeError('An event that is not the first cites others')
  if (others.length === 0) return first
  const forks = new Forks(store, rules, first, await readConflicts(store, first, others))
  const changes = await forks.resolve()
  return changes.length === 0 ? first : store.write((tx) => tx.state.apply(room, first, changes))
}

/** A part of the state that isn't the same everywhere: its event in each of the states, null where one lacks it. */
type Conflict = { readonly key: StateKey; readonly events: readonly (EventNid | null)[] }

type Change = { readonly type: string; readonly stateKey: string; readonly event: EventNid | null }

type Conflicts = {
  readonly byKey: ReadonlyMap<string, Conflict>
  /** The events of all of them. */
  readonly events: ReadonlySet<EventNid>
}

async function readConflicts(store: Store, first: StateId, others: readonly StateId[]): Promise<Conflicts> {
  return store.read(async (tx) => {
    const conflicted = new Set<EventNid>()
    const conflicts = new Map<string, { readonly key: StateKey; readonly events: (EventNid | null)[] }>()
    const timeSlice = new TimeSlice()
    for (const [index, other] of others.entries()) {
      for (const { type, stateKey, a, b } of await tx.state.diff(first, other)) {
        await timeSlice.yieldIfDue()
        const name = stateMapKey(type, stateKey)
        for (const nid of [a, b]) if (nid !== null) conflicted.add(nid)
        // A state that doesn't differ from the first one here has what that has.
        const conflict = conflicts.get(name) ?? {
          key: [type, stateKey],
          events: new Array<EventNid | null>(others.length + 1).fill(a),
        }
        conflict.events[index + 1] = b
        conflicts.set(name, conflict)
      }
    }
    return { byKey: conflicts, events: conflicted }
  })
}

/** States that differ, to be resolved. */
class Forks {
  readonly #store: Store
  readonly #rules: RoomVersionRules
  readonly #first: StateId
  readonly #conflicts: ReadonlyMap<string, Conflict>
  readonly #conflicted: ReadonlySet<EventNid>
  readonly #graph: LoadedAuthGraph
  readonly #steps = new Steps()

  constructor(store: Store, rules: RoomVersionRules, first: StateId, { byKey, events }: Conflicts) {
    this.#store = store
    this.#rules = rules
    this.#first = first
    this.#conflicts = byKey
    this.#conflicted = events
    this.#graph = new LoadedAuthGraph(store)
  }

  /** How the resolved state differs from the first one. */
  async resolve(): Promise<Change[]> {
    if (this.#conflicted.size === 0) return []
    if (this.#rules.stateResolution === 'v1') return this.#resolveV1()
    const full = await this.#fullConflictedSet()
    const rows = await readEvents(this.#store, await inSlices(this.#graph.chains(full, this.#steps)))
    const unconflicted = await this.#unconflictedFor([...full], rows)
    const source = await eventSource(rows)
    const fullIds = new Set<EventId>()
    const timeSlice = new TimeSlice()
    for (const nid of full) {
      await timeSlice.yieldIfDue()
      const event = rows.get(nid)?.event
      if (event !== undefined) fullIds.add(event.eventId)
    }
    const slices = resolveConflicted(this.#rules, unconflicted, fullIds, source.events, source.isRejected, this.#steps)
    return this.#changes(await inSlices(slices), unconflicted, source)
  }

  async #resolveV1(): Promise<Change[]> {
    const rows = await readEvents(this.#store, this.#conflicted)
    const unconflicted = await this.#unconflictedFor([...this.#conflicted], rows)
    const count = [...this.#conflicts.values()][0]?.events.length ?? 0
    const states = Array.from({ length: count }, (_, index) => {
      const state = new Map(unconflicted)
      for (const [name, { events }] of this.#conflicts) {
        const eventId = idOf(rows, events[index] ?? null)
        if (eventId !== null) state.set(name, eventId)
      }
      return state
    })
    const source = await eventSource(rows)
    const resolved = await inSlices(resolveV1(states, source.events, this.#steps))
    return this.#changes(resolved, unconflicted, source)
  }

  /**
   * The conflicted events, the auth difference and in version 12 the conflicted subgraph. What the states have in
   * common takes part in the auth difference, but only where the conflicted events' own chains leave something over.
   */
  async #fullConflictedSet(): Promise<Set<EventNid>> {
    const graph = this.#graph
    await graph.load(this.#conflicted)
    let full = await this.#withDifference([])
    if (full.size > this.#conflicted.size) full = await this.#withDifference(await this.#current(full))
    if (full.size > this.#conflicted.size) {
      const common = await this.#allUnconflicted()
      await graph.load(common)
      full = await this.#withDifference(common)
    }
    if (this.#rules.stateResolution === 'v2.1') {
      for (const nid of await inSlices(conflictedSubgraph(this.#conflicted, graph, this.#steps))) full.add(nid)
    }
    return full
  }

  async #withDifference(common: readonly EventNid[]): Promise<Set<EventNid>> {
    const conflicts = [...this.#conflicts.values()]
    const count = conflicts[0]?.events.length ?? 0
    const sets = Array.from({ length: count }, (_, index) => present(conflicts.map(({ events }) => events[index]!)))
    const full = await inSlices(authDifference(sets, common, this.#graph, this.#steps))
    for (const nid of this.#conflicted) full.add(nid)
    return full
  }

  /** Which of these events stand in all states. */
  async #current(nids: ReadonlySet<EventNid>): Promise<EventNid[]> {
    const rows = await readEvents(this.#store, nids)
    const unconflicted: EventNid[] = []
    const keys: StateKey[] = []
    const timeSlice = new TimeSlice()
    for (const { nid, event } of rows.values()) {
      await timeSlice.yieldIfDue()
      if (event.stateKey === null || this.#isConflicted(event)) continue
      unconflicted.push(nid)
      keys.push([event.type, event.stateKey])
    }
    const held = await this.#store.read((tx) => tx.state.getMany(this.#first, keys))
    return unconflicted.filter((nid, index) => held[index] === nid)
  }

  async #allUnconflicted(): Promise<EventNid[]> {
    const entries = await this.#store.read((tx) => tx.state.entries(this.#first))
    const unconflicted: EventNid[] = []
    const timeSlice = new TimeSlice()
    for (const { type, stateKey, eventNid } of entries) {
      await timeSlice.yieldIfDue()
      if (!this.#conflicts.has(stateMapKey(type, stateKey))) unconflicted.push(eventNid)
    }
    return unconflicted
  }

  #isConflicted(event: Event): boolean {
    return this.#conflicts.has(stateMapKey(event.type, event.stateKey ?? ''))
  }

  /** What the states have in common, as far as these events can touch or ask for it. Adds its events to `rows`. */
  async #unconflictedFor(nids: readonly EventNid[], rows: Map<EventNid, EventRow>): Promise<Map<string, EventId>> {
    const keys = new Map<string, StateKey>()
    const add = (type: string, stateKey: string) => {
      const name = stateMapKey(type, stateKey)
      if (!this.#conflicts.has(name)) keys.set(name, [type, stateKey])
    }
    add('m.room.create', '')
    const timeSlice = new TimeSlice()
    for (const nid of nids) {
      await timeSlice.yieldIfDue()
      const event = rows.get(nid)?.event
      if (event === undefined) continue
      if (event.stateKey !== null) add(event.type, event.stateKey)
      for (const [type, stateKey] of authEventKeys(event, this.#rules)) add(type, stateKey)
    }
    const held = await this.#store.read((tx) => tx.state.getMany(this.#first, [...keys.values()]))
    for (const [nid, row] of await readEvents(this.#store, present(held))) rows.set(nid, row)
    const unconflicted = new Map<string, EventId>()
    for (const [index, name] of [...keys.keys()].entries()) {
      const eventId = idOf(rows, held[index] ?? null)
      if (eventId !== null) unconflicted.set(name, eventId)
    }
    return unconflicted
  }

  async #changes(resolved: StateMap, unconflicted: StateMap, { rows }: Source): Promise<Change[]> {
    const changes: Change[] = []
    const timeSlice = new TimeSlice()
    for (const key of new Set([...this.#conflicts.keys(), ...resolved.keys()])) {
      await timeSlice.yieldIfDue()
      if (unconflicted.has(key)) continue
      const eventId = resolved.get(key)
      const event = eventId === undefined ? null : (rows.get(eventId)?.nid ?? null)
      if (event === (this.#conflicts.get(key)?.events[0] ?? null)) continue
      const [type, stateKey] = key.split('\0') as [string, string]
      changes.push({ type, stateKey, event })
    }
    return changes
  }
}

function present(nids: readonly (EventNid | null)[]): EventNid[] {
  return nids.filter((nid) => nid !== null)
}

function idOf(rows: ReadonlyMap<EventNid, EventRow>, nid: EventNid | null): EventId | null {
  return nid === null ? null : (rows.get(nid)?.event.eventId ?? null)
}

/** Events by their ids. */
type Source = {
  readonly rows: ReadonlyMap<EventId, EventRow>
  readonly events: EventSource
  readonly isRejected: (eventId: EventId) => boolean
}

async function eventSource(byNid: ReadonlyMap<EventNid, EventRow>): Promise<Source> {
  const rows = new Map<EventId, EventRow>()
  const timeSlice = new TimeSlice()
  for (const row of byNid.values()) {
    await timeSlice.yieldIfDue()
    rows.set(row.event.eventId, row)
  }
  return {
    rows,
    events: { get: (eventId) => rows.get(eventId)?.event },
    isRejected: (eventId) => rows.get(eventId)?.rejected ?? false,
  }
}
