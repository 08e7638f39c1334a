/**
 * The algorithms of the state tree: synchronous, over rows that are at hand. One that comes to a row which isn't notes
 * it in `lacking` and leaves that branch out; its result then means nothing, and it is run again with the rows loaded.
 * Those that may go through a whole state do it in slices.
 */
import { type Slices, Steps } from '#core/state/steps.ts'
import { EMPTY_FINGERPRINT, type Fingerprint, keyHash, sameFingerprint, withEntry } from '#store/state-tree/hash.ts'
import {
  type Child,
  FANOUT,
  isLeaf,
  LEAF_ENTRIES_MAX,
  type Leaf,
  NODES_IN_ROW,
  slotOf,
  type TreeNode,
} from '#store/state-tree/node.ts'
import { fingerprintOf, readNode, rootOf, type StateRow } from '#store/state-tree/row.ts'

export type Entry = readonly [key: number, event: number]
/** null takes the key out. */
export type Change = readonly [key: number, event: number | null]
/** A key at which two states differ; undefined where it is absent. */
export type Difference = readonly [key: number, a: number | undefined, b: number | undefined]

const EMPTY_LEAF: Leaf = { keys: [], events: [] }

/** The rows at hand for one run of an algorithm. */
export class Rows {
  /** Ids of the rows that the run came to and that weren't at hand. */
  readonly lacking = new Set<number>()
  readonly #find: (id: number) => StateRow | undefined

  constructor(find: (id: number) => StateRow | undefined) {
    this.#find = find
  }

  row(id: number): StateRow | undefined {
    const row = this.#find(id)
    if (row === undefined) this.lacking.add(id)
    return row
  }

  /** The node of a child; an empty leaf for none, and for one that isn't at hand. */
  node(child: Child): TreeNode {
    if (child === null) return EMPTY_LEAF
    if (typeof child === 'object') return child
    const row = this.row(Math.floor(child / NODES_IN_ROW))
    return row === undefined ? EMPTY_LEAF : readNode(row, child % NODES_IN_ROW)
  }

  /** The root of a state; state 0 has none. */
  root(state: number): Child {
    if (state === 0) return null
    const row = this.row(state)
    return row === undefined ? null : rootOf(row)
  }

  fingerprint(state: number): Fingerprint {
    const row = state === 0 ? undefined : this.row(state)
    return row === undefined ? EMPTY_FINGERPRINT : fingerprintOf(row)
  }
}

/** The event at a key. */
export function lookUp(rows: Rows, state: number, key: number): number | undefined {
  const hash = keyHash(key)
  let node = rows.node(rows.root(state))
  for (let depth = 0; !isLeaf(node); depth++) node = rows.node(node.children[slotOf(hash, depth)] ?? null)
  const index = node.keys.indexOf(key)
  return index < 0 ? undefined : node.events[index]
}

/** The events at several keys, in their order. */
export function* lookUpAll(rows: Rows, state: number, keys: readonly number[]): Slices<(number | undefined)[]> {
  const steps = new Steps()
  const events: (number | undefined)[] = []
  for (const key of keys) {
    events.push(lookUp(rows, state, key))
    if (steps.take()) yield
  }
  return events
}

/** All entries, in no particular order. */
export function* listEntries(rows: Rows, state: number): Slices<Entry[]> {
  const entries: Entry[] = []
  yield* collect(rows, rows.root(state), (key, event) => entries.push([key, event]), new Steps())
  return entries
}

function* collect(
  rows: Rows,
  child: Child,
  add: (key: number, event: number) => void,
  steps: Steps,
): Slices<undefined> {
  const node = rows.node(child)
  if (isLeaf(node)) {
    for (const [i, key] of node.keys.entries()) add(key, node.events[i]!)
    if (steps.take(node.keys.length)) yield
  } else {
    for (const below of node.children) if (below !== null) yield* collect(rows, below, add, steps)
  }
}

/** Where two states differ, in time proportional to that for states of a common descent. */
export function* difference(rows: Rows, a: number, b: number): Slices<Difference[]> {
  const found: Difference[] = []
  if (a === b || sameFingerprint(rows.fingerprint(a), rows.fingerprint(b))) return found
  yield* differ(rows, rows.root(a), rows.root(b), found, new Steps())
  return found
}

function* differ(rows: Rows, a: Child, b: Child, found: Difference[], steps: Steps): Slices<undefined> {
  // The same reference is the same subtree.
  if (a === b) return
  const [nodeA, nodeB] = [rows.node(a), rows.node(b)]
  if (!isLeaf(nodeA) && !isLeaf(nodeB)) {
    for (let slot = 0; slot < FANOUT; slot++) {
      yield* differ(rows, nodeA.children[slot]!, nodeB.children[slot]!, found, steps)
    }
    return
  }
  // At least one side has few entries, so nearly all of the other are differences.
  const entriesB = new Map<number, number>()
  yield* collect(rows, b, (key, event) => entriesB.set(key, event), steps)
  const compare = (key: number, event: number) => {
    const other = entriesB.get(key)
    entriesB.delete(key)
    if (other !== event) found.push([key, event, other])
  }
  yield* collect(rows, a, compare, steps)
  for (const [key, event] of entriesB) found.push([key, undefined, event])
}

/** A state as nodes, written or not. */
export type Tree = {
  /** null: empty. */
  readonly root: Child
  readonly fingerprint: Fingerprint
}

export function stateOf(rows: Rows, state: number): Tree {
  return { root: rows.root(state), fingerprint: rows.fingerprint(state) }
}

type HashedChange = { readonly hash: number; readonly key: number; readonly event: number | null }

/**
 * A state with some entries put or taken out. When nothing changes, the root is that of the state itself.
 * @param changes no key twice
 */
export function change(rows: Rows, tree: Tree, changes: readonly Change[]): Tree {
  const update = new Update(rows, tree.fingerprint)
  const hashed = changes.map(([key, event]) => ({ hash: keyHash(key), key, event }))
  const root = update.run(tree.root, 0, hashed)
  return { root, fingerprint: update.fingerprint }
}

class Update {
  readonly #rows: Rows
  fingerprint: Fingerprint

  constructor(rows: Rows, fingerprint: Fingerprint) {
    this.#rows = rows
    this.fingerprint = fingerprint
  }

  run(child: Child, depth: number, changes: readonly HashedChange[]): Child {
    const node = this.#rows.node(child)
    if (isLeaf(node)) return this.#inLeaf(child, node, depth, changes)
    const children = [...node.children]
    let changed = false
    for (const [slot, some] of bySlot(changes, depth).entries()) {
      if (some.length === 0) continue
      const old = children[slot]!
      children[slot] = this.run(old, depth + 1, some)
      changed ||= children[slot] !== old
    }
    if (!changed) return child
    const leaf = changes.some(({ event }) => event === null) ? this.#asLeaf(children) : undefined
    return leaf === undefined ? { children } : leaf
  }

  #inLeaf(child: Child, leaf: Leaf, depth: number, changes: readonly HashedChange[]): Child {
    const entries = new Map(leaf.keys.map((key, i) => [key, leaf.events[i]!]))
    let changed = false
    for (const { key, event } of changes) {
      const old = entries.get(key) ?? null
      if (old === event) continue
      changed = true
      if (old !== null) this.fingerprint = withEntry(this.fingerprint, -1, key, old)
      if (event === null) entries.delete(key)
      else {
        this.fingerprint = withEntry(this.fingerprint, 1, key, event)
        entries.set(key, event)
      }
    }
    return changed ? build([...entries], depth) : child
  }

  /**
   * The one leaf that children with few entries in all must be (null without any); undefined when they must stay
   * children.
   */
  #asLeaf(children: readonly Child[]): Child | undefined {
    const entries: Entry[] = []
    for (const child of children) {
      const node = this.#rows.node(child)
      if (!isLeaf(node) || entries.length + node.keys.length > LEAF_ENTRIES_MAX) return undefined
      for (const [i, key] of node.keys.entries()) entries.push([key, node.events[i]!])
    }
    return leafOf(entries)
  }
}

/** The subtree of these entries. */
function build(entries: readonly Entry[], depth: number): Child {
  if (entries.length <= LEAF_ENTRIES_MAX) return leafOf(entries)
  const hashed = entries.map(([key, event]) => ({ hash: keyHash(key), key, event }))
  return split(hashed, depth)
}

function split(entries: readonly (HashedChange & { readonly event: number })[], depth: number): Child {
  if (entries.length <= LEAF_ENTRIES_MAX) return leafOf(entries.map(({ key, event }) => [key, event]))
  return { children: bySlot(entries, depth).map((some) => split(some, depth + 1)) }
}

function bySlot<E extends { readonly hash: number }>(entries: readonly E[], depth: number): E[][] {
  const slots: E[][] = Array.from({ length: FANOUT }, () => [])
  for (const entry of entries) slots[slotOf(entry.hash, depth)]!.push(entry)
  return slots
}

function leafOf(entries: readonly Entry[]): Child {
  if (entries.length === 0) return null
  const sorted = [...entries].sort(([a], [b]) => a - b)
  return { keys: sorted.map(([key]) => key), events: sorted.map(([, event]) => event) }
}
