import type { Slices, Steps } from './steps.ts'

/**
 * The graph of auth events, over any kind of id: event ids here, row numbers in a store. An id without auth events that
 * are known has none.
 */
export type AuthGraph<Id> = {
  /** The events that authorise this one. */
  authEvents(id: Id): Iterable<Id>
  /** More than the generation of each of the event's auth events: 1 + their maximum, 0 where there is none. */
  generation(id: Id): number
}

/** Ids in the order of their generation, in linear time. */
class ByGeneration<Id> {
  readonly #buckets: Id[][] = []
  readonly #graph: AuthGraph<Id>

  constructor(graph: AuthGraph<Id>) {
    this.#graph = graph
  }

  add(id: Id): void {
    const generation = this.#graph.generation(id)
    const bucket = this.#buckets[generation]
    if (bucket === undefined) this.#buckets[generation] = [id]
    else bucket.push(id)
  }

  /** Highest first; ids added meanwhile are met too, if their generation is lower than the current one. */
  *descending(): Generator<Id> {
    for (let generation = this.#buckets.length - 1; generation >= 0; generation--)
      yield* this.#buckets[generation] ?? []
  }

  *ascending(): Generator<Id> {
    for (const bucket of this.#buckets) yield* bucket ?? []
  }
}

/**
 * "Auth difference": the events in some but not all of the states' full auth chains. `sets` are the states' events as
 * far as they differ, `common` those that all states hold.
 *
 * NOTSPEC: a state's chain includes the state's own events. By the letter, an event that every state holds, but that
 * stands in only one chain, would be in the difference; servers resolve alike only if they agree here, and those
 * deployed take it so.
 *
 * Walks back from the tips in order of generation and stops once only common ancestors are left.
 */
export function* authDifference<Id>(
  sets: readonly Iterable<Id>[],
  common: Iterable<Id>,
  graph: AuthGraph<Id>,
  steps: Steps,
): Slices<Set<Id>> {
  const everywhere = (1n << BigInt(sets.length)) - 1n
  // In which states' chains an id stands, one bit a state.
  const chains = new Map<Id, bigint>()
  const queue = new ByGeneration(graph)
  let pendingPartial = 0
  const paint = (id: Id, bits: bigint) => {
    const before = chains.get(id)
    const after = (before ?? 0n) | bits
    if (after === before) return
    chains.set(id, after)
    if (before === undefined) {
      queue.add(id)
      if (after !== everywhere) pendingPartial += 1
    } else if (after === everywhere) pendingPartial -= 1
  }
  for (const [index, set] of sets.entries()) {
    for (const id of set) {
      paint(id, 1n << BigInt(index))
      if (steps.take()) yield
    }
  }
  for (const id of common) {
    paint(id, everywhere)
    if (steps.take()) yield
  }
  const difference = new Set<Id>()
  for (const id of queue.descending()) {
    if (pendingPartial === 0) break
    const bits = chains.get(id) ?? 0n
    if (bits !== everywhere) {
      difference.add(id)
      pendingPartial -= 1
    }
    const generation = graph.generation(id)
    for (const parent of graph.authEvents(id)) {
      // Only ids chosen by their sender (versions 1 and 2) can form a cycle; its closing edge is ignored.
      if (graph.generation(parent) < generation) paint(parent, bits)
      if (steps.take()) yield
    }
  }
  return difference
}

/**
 * "Conflicted state subgraph" (version 12): the events on paths of the auth graph from one conflicted event to another,
 * both ends included.
 */
export function* conflictedSubgraph<Id>(
  conflicted: ReadonlySet<Id>,
  graph: AuthGraph<Id>,
  steps: Steps,
): Slices<Set<Id>> {
  let lowest = Number.POSITIVE_INFINITY
  for (const id of conflicted) lowest = Math.min(lowest, graph.generation(id))
  const seen = new Set(conflicted)
  const order = new ByGeneration(graph)
  const pending = [...conflicted]
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    order.add(id)
    for (const parent of graph.authEvents(id)) {
      if (steps.take()) yield
      // No path to a conflicted event leads below the lowest of them.
      if (seen.has(parent) || graph.generation(parent) < lowest) continue
      seen.add(parent)
      pending.push(parent)
    }
  }
  const subgraph = new Set<Id>()
  for (const id of order.ascending()) {
    let leadsToConflicted = conflicted.has(id)
    for (const parent of graph.authEvents(id)) {
      if (steps.take()) yield
      leadsToConflicted ||= subgraph.has(parent)
    }
    if (leadsToConflicted) subgraph.add(id)
  }
  return subgraph
}

/**
 * The generation of each event that the tips' auth chains reach, for a graph that doesn't store it. Linear in the edges
 * and without recursion, since chains may be long; the closing edge of a cycle counts as absent.
 */
export function* generations<Id>(
  tips: Iterable<Id>,
  authEvents: (id: Id) => Iterable<Id>,
  steps: Steps,
): Slices<ReadonlyMap<Id, number>> {
  const found = new Map<Id, number>()
  const entered = new Set<Id>()
  const path: { readonly id: Id; readonly parents: readonly Id[]; next: number }[] = []
  const enter = (id: Id) => {
    if (entered.has(id)) return
    entered.add(id)
    path.push({ id, parents: [...authEvents(id)], next: 0 })
  }
  for (const tip of tips) {
    enter(tip)
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      if (steps.take()) yield
      if (top.next < top.parents.length) {
        enter(top.parents[top.next] as Id)
        top.next += 1
        continue
      }
      path.pop()
      found.set(top.id, top.parents.reduce((most, parent) => Math.max(most, found.get(parent) ?? -1), -1) + 1)
    }
  }
  return found
}
