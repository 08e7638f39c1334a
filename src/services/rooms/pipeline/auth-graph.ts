/** The graph of auth events as the store has it, over the numbers of events. */
import type { LRUCache } from 'lru-cache'
import type { AuthGraph } from '#core/state/auth-graph.ts'
import type { Slices, Steps } from '#core/state/steps.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import { lru } from '#store/lru.ts'
import type { Store } from '#store/store.ts'
import type { EventNid, EventRow } from '#store/types/events.ts'

type Edges = { readonly auth: readonly EventNid[]; readonly generation: number }

/** Events that are read at once. */
const READ_EVENTS_MAX = 200
const EDGES_CACHED_MAX = 100_000

/** What an event cites never changes, so that it may be remembered until `forgetEdges`. */
const remembered = new WeakMap<Store, LRUCache<EventNid, Edges>>()

function edgesCache(store: Store): LRUCache<EventNid, Edges> {
  const known = remembered.get(store)
  if (known !== undefined) return known
  const made = lru<EventNid, Edges>(EDGES_CACHED_MAX)
  remembered.set(store, made)
  return made
}

/** These events had come without all that they cite, and have been given what they lacked. */
export function forgetEdges(store: Store, nids: Iterable<EventNid>): void {
  const cache = remembered.get(store)
  for (const nid of nids) cache?.delete(nid)
}

/** Part of the graph: some events and all that authorises them. */
export class LoadedAuthGraph implements AuthGraph<EventNid> {
  readonly #store: Store
  readonly #edges = new Map<EventNid, Edges>()

  constructor(store: Store) {
    this.#store = store
  }

  /** Adds these events and their auth chains. */
  async load(tips: Iterable<EventNid>): Promise<void> {
    const cache = edgesCache(this.#store)
    const timeSlice = new TimeSlice()
    let wanted = new Set(tips)
    while (wanted.size > 0) {
      const round: EventNid[] = []
      const next = new Set<EventNid>()
      const take = (nid: EventNid, edges: Edges) => {
        this.#edges.set(nid, edges)
        for (const parent of edges.auth) if (!this.#edges.has(parent)) next.add(parent)
      }
      for (const nid of wanted) {
        if (this.#edges.has(nid)) continue
        const known = cache.get(nid)
        if (known === undefined) round.push(nid)
        else take(nid, known)
      }
      for (const some of slices(round)) {
        for (const [nid, edges] of await this.#store.read((tx) => tx.events.authOf(some))) {
          cache.set(nid, edges)
          take(nid, edges)
        }
        await timeSlice.yieldIfDue()
      }
      wanted = next
      await timeSlice.yieldIfDue()
    }
  }

  authEvents(nid: EventNid): readonly EventNid[] {
    return this.#edges.get(nid)?.auth ?? []
  }

  generation(nid: EventNid): number {
    return this.#edges.get(nid)?.generation ?? 0
  }

  /** These events and their auth chains, all of which must have been loaded. */
  *chains(tips: Iterable<EventNid>, steps: Steps): Slices<Set<EventNid>> {
    const chains = new Set(tips)
    for (const nid of chains) {
      const authEvents = this.authEvents(nid)
      for (const parent of authEvents) chains.add(parent)
      if (steps.take(1 + authEvents.length)) yield
    }
    return chains
  }
}

/** Reads events by number, however many. */
export async function readEvents(store: Store, nids: Iterable<EventNid>): Promise<Map<EventNid, EventRow>> {
  const timeSlice = new TimeSlice()
  const rows = new Map<EventNid, EventRow>()
  for (const some of slices([...nids])) {
    for (const [nid, row] of await store.read((tx) => tx.events.byNids(some))) rows.set(nid, row)
    await timeSlice.yieldIfDue()
  }
  return rows
}

function* slices<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += READ_EVENTS_MAX) yield items.slice(at, at + READ_EVENTS_MAX)
}
