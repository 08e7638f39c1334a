import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { run } from '#core/state/steps.ts'
import { sameFingerprint } from '#store/state-tree/hash.ts'
import { isLeaf, LEAF_ENTRIES_MAX } from '#store/state-tree/node.ts'
import { packRows, rowsAtMost, type StateRow } from '#store/state-tree/row.ts'
import { type Change, change, difference, listEntries, lookUp, Rows, stateOf } from '#store/state-tree/tree.ts'

/** States in memory. Each run starts with none of the rows and gets what it lacked, as with a database. */
class MemoryTree {
  readonly stored = new Map<number, StateRow>()
  #lastId = 0

  run<T>(algorithm: (rows: Rows) => T): T {
    const atHand = new Map<number, StateRow>()
    for (;;) {
      const rows = new Rows((id) => atHand.get(id))
      const result = algorithm(rows)
      if (rows.lacking.size === 0) return result
      for (const id of rows.lacking) atHand.set(id, this.stored.get(id)!)
    }
  }

  apply(base: number, changes: readonly Change[]): number {
    const { root, fingerprint, same } = this.run((rows) => {
      const result = change(rows, stateOf(rows, base), changes)
      return { ...result, same: result.root === rows.root(base) }
    })
    if (same) return base
    if (root === null || typeof root === 'number') return 0
    const rows = run(packRows(root, fingerprint, this.#lastId + 1))
    assert.ok(rows.length <= rowsAtMost(root))
    this.#lastId += rows.length
    for (const row of rows) this.stored.set(row.id, row)
    return this.#lastId
  }

  content(state: number): [number, number][] {
    return this.run((rows) => run(listEntries(rows, state)))
      .map(([key, event]): [number, number] => [key, event])
      .sort(([a], [b]) => a - b)
  }

  /** The tree as nested arrays: what a content must always look like. */
  shape(state: number): unknown {
    return this.run((rows) => {
      const of = (child: Parameters<Rows['node']>[0]): unknown => {
        const node = rows.node(child)
        return isLeaf(node) ? node : node.children.map(of)
      }
      return of(rows.root(state))
    })
  }

  diff(a: number, b: number) {
    return [...this.run((rows) => run(difference(rows, a, b)))].sort(([x], [y]) => x - y)
  }

  equal(a: number, b: number): boolean {
    return this.run((rows) => sameFingerprint(rows.fingerprint(a), rows.fingerprint(b)))
  }
}

type Model = ReadonlyMap<number, number>

function applied(model: Model, changes: readonly Change[]): Model {
  const next = new Map(model)
  for (const [key, event] of changes) {
    if (event === null) next.delete(key)
    else next.set(key, event)
  }
  return next
}

const sorted = (model: Model) => [...model].sort(([a], [b]) => a - b)

// Few keys, so that many are put, changed and taken out again; a few large ones for the encoding.
const key = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 0, max: 60 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 32 - 1 }) },
)
const event = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 0, max: 300 }) },
  { weight: 1, arbitrary: fc.maxSafeNat() },
)
const changes: fc.Arbitrary<[number, number | null][]> = fc.uniqueArray(
  fc.tuple(key, fc.option(event, { nil: null })),
  {
    selector: ([k]) => k,
    maxLength: 30,
  },
)
/** Each step changes one of the states before it: a history with forks. */
const history = fc.array(fc.record({ base: fc.nat(), changes }), { maxLength: 25 })

describe('the state tree', () => {
  it('holds what a Map holds, through any history of changes, deletions and forks', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const tree = new MemoryTree()
        const states: { id: number; model: Model }[] = [{ id: 0, model: new Map() }]
        for (const step of steps) {
          const base = states[step.base % states.length]!
          states.push({ id: tree.apply(base.id, step.changes), model: applied(base.model, step.changes) })
        }
        for (const { id, model } of states) {
          assert.deepEqual(tree.content(id), sorted(model))
          assert.equal(id === 0, model.size === 0)
          for (const k of [0, 1, 2, 3])
            assert.equal(
              tree.run((rows) => lookUp(rows, id, k)),
              model.get(k),
            )
        }
      }),
    )
  })

  it('finds the difference of any two states', () => {
    fc.assert(
      fc.property(history, fc.nat(), fc.nat(), (steps, i, j) => {
        const tree = new MemoryTree()
        const states: { id: number; model: Model }[] = [{ id: 0, model: new Map() }]
        for (const step of steps) {
          const base = states[step.base % states.length]!
          states.push({ id: tree.apply(base.id, step.changes), model: applied(base.model, step.changes) })
        }
        const [a, b] = [states[i % states.length]!, states[j % states.length]!]
        const keys = [...new Set([...a.model.keys(), ...b.model.keys()])].sort((x, y) => x - y)
        const expected = keys
          .filter((k) => a.model.get(k) !== b.model.get(k))
          .map((k) => [k, a.model.get(k), b.model.get(k)])
        assert.deepEqual(tree.diff(a.id, b.id), expected)
        assert.equal(tree.equal(a.id, b.id), expected.length === 0)
      }),
    )
  })

  it('has one form for one content, however that came about', () => {
    fc.assert(
      fc.property(fc.array(changes, { maxLength: 10 }), changes, (steps, detour) => {
        const tree = new MemoryTree()
        let id = 0
        let model: Model = new Map()
        for (const step of [...steps, detour]) {
          id = tree.apply(id, step)
          model = applied(model, step)
        }
        // There and back: take out keys that are absent, put some and take them out again.
        const back: Change[] = detour.map(([k]) => [k, model.get(k) ?? null])
        const away = tree.apply(
          id,
          detour.map(([k]) => [k, null]),
        )
        const returned = tree.apply(away, back)
        const direct = tree.apply(0, [...model])
        assert.deepEqual(tree.shape(returned), tree.shape(direct))
        assert.deepEqual(tree.shape(id), tree.shape(direct))
        assert.ok(tree.equal(returned, direct))
        assert.deepEqual(tree.diff(returned, direct), [])
      }),
    )
  })

  it('is the same state when nothing changes, and state 0 when nothing is left', () => {
    const tree = new MemoryTree()
    const entries = Array.from({ length: 100 }, (_, k): Change => [k, k + 1])
    const full = tree.apply(0, entries)
    assert.equal(
      tree.apply(full, [
        [5, 6],
        [200, null],
      ]),
      full,
    )
    assert.equal(
      tree.apply(
        full,
        entries.map(([k]) => [k, null]),
      ),
      0,
    )
    assert.equal(tree.apply(0, [[1, null]]), 0)
  })

  it('writes one small row for one change in a large room', () => {
    const tree = new MemoryTree()
    const large = tree.apply(
      0,
      Array.from({ length: 20_000 }, (_, k): Change => [k, k]),
    )
    const before = tree.stored.size
    const next = tree.apply(large, [[777, 30_000]])
    assert.equal(tree.stored.size, before + 1)
    assert.ok(tree.stored.get(next)!.data.length < 200)
    assert.deepEqual(tree.diff(large, next), [[777, 777, 30_000]])
  })

  it('compares states of a common descent without reading what they share', () => {
    const tree = new MemoryTree()
    const large = tree.apply(
      0,
      Array.from({ length: 20_000 }, (_, k): Change => [k, k]),
    )
    const [a, b] = [tree.apply(large, [[1, 50_000]]), tree.apply(large, [[2, 50_001]])]
    let asked = 0
    const rows = new Rows((id) => {
      asked++
      return tree.stored.get(id)
    })
    assert.equal(run(difference(rows, a, b)).length, 2)
    assert.ok(asked < 60, `${asked} nodes were read`)
  })

  it('makes a leaf of what a leaf can hold', () => {
    const tree = new MemoryTree()
    const nine = Array.from({ length: LEAF_ENTRIES_MAX + 1 }, (_, k): Change => [k, k])
    const state = tree.apply(0, nine)
    assert.ok(Array.isArray(tree.shape(state)))
    const eight = tree.apply(state, [[3, null]])
    assert.deepEqual(
      tree.shape(eight),
      tree.shape(
        tree.apply(
          0,
          nine.filter(([k]) => k !== 3),
        ),
      ),
    )
    assert.ok(!Array.isArray(tree.shape(eight)))
  })
})
