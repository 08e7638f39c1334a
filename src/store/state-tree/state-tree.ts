import { integerList } from '#store/sql/connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import { packRows, rowsAtMost, type StateRow } from '#store/state-tree/row.ts'
import { RowCache } from '#store/state-tree/row-cache.ts'
import {
  type Change,
  change,
  difference,
  listEntries,
  lookUp,
  lookUpAll,
  Rows,
  stateOf,
} from '#store/state-tree/tree.ts'
import { inSlices, isSliceOver, nextSlice } from '#store/time-slices.ts'
import type { EventNid } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { StateId, StateKeyNid } from '#store/types/state.ts'

export type StateChange = readonly [key: StateKeyNid, event: EventNid | null]
export type StateDifference = readonly [key: StateKeyNid, a: EventNid | undefined, b: EventNid | undefined]

export const EMPTY_STATE = 0 as StateId

const CACHE_BYTES_MAX = 64 * 1024 * 1024
/** Rows asked of the database at once. */
const LOAD_ROWS_MAX = 1000
/** Changes that are worked out at once, before others get a turn. */
const CHANGES_AT_ONCE = 500
/** Keys are hashed as 32-bit numbers. */
const KEY_MAX = 2 ** 32 - 1

const makeCache = () => new RowCache(CACHE_BYTES_MAX)

/**
 * The states of all rooms, over one connection. States are immutable and share what they have in common, so a change
 * writes one small row. See node.ts for the form and row.ts for the bytes.
 */
export class StateTree {
  readonly #sql: Sql
  readonly #cache: RowCache
  /** Rows of the transaction under way: nobody else may know them before the commit. */
  readonly #written = new Map<number, StateRow>()
  readonly #loadOne
  readonly #loadMany
  readonly #insert

  constructor(sql: Sql) {
    this.#sql = sql
    this.#cache = sql.shared(makeCache)
    this.#loadOne = sql.prepare((db, p: { id: number }) =>
      db.selectFrom('state_rows').select(['id', 'data']).where('id', '=', p.id),
    )
    this.#loadMany = sql.prepare((db, p: { ids: string }) =>
      db.selectFrom('state_rows').select(['id', 'data']).where('id', 'in', sql.integers(p.ids)),
    )
    this.#insert = sql.prepare((db, p: { id: number; room: number; data: Uint8Array }) =>
      db.insertInto('state_rows').values({ id: p.id, room: p.room, data: p.data }),
    )
  }

  async get(state: StateId, key: StateKeyNid): Promise<EventNid | undefined> {
    return (await this.#run((rows) => lookUp(rows, state, key))) as EventNid | undefined
  }

  /** The events at several keys, in their order. */
  async getMany(state: StateId, keys: readonly StateKeyNid[]): Promise<(EventNid | undefined)[]> {
    return (await this.#run((rows) => inSlices(lookUpAll(rows, state, keys)))) as (EventNid | undefined)[]
  }

  /** The whole content, in no particular order. Reads rows all over the room's history: prefer `diff`. */
  async entries(state: StateId): Promise<(readonly [key: StateKeyNid, event: EventNid])[]> {
    return (await this.#run((rows) => inSlices(listEntries(rows, state)))) as (readonly [StateKeyNid, EventNid])[]
  }

  /** The keys at which two states differ. */
  async diff(a: StateId, b: StateId): Promise<StateDifference[]> {
    return (await this.#run((rows) => inSlices(difference(rows, a, b)))) as StateDifference[]
  }

  /** Equal for two states if and only if their content is, as far as 64 bits can tell. */
  async fingerprint(state: StateId): Promise<bigint> {
    const { high, low } = await this.#run((rows) => rows.fingerprint(state))
    return (BigInt(high) << 32n) | BigInt(low)
  }

  /** True when two states have the same content, whatever way each came about. */
  async equal(a: StateId, b: StateId): Promise<boolean> {
    return a === b || (await this.fingerprint(a)) === (await this.fingerprint(b))
  }

  /**
   * The state with these entries put, or taken out (null). `base` itself when that changes nothing.
   * @param changes no key twice
   */
  async apply(room: RoomNid, base: StateId, changes: readonly StateChange[]): Promise<StateId> {
    checkChanges(changes)
    const first = await this.#run((rows) => {
      const before = stateOf(rows, base)
      return { before, after: change(rows, before, changes.slice(0, CHANGES_AT_ONCE)) }
    })
    let { after } = first
    for (let at = CHANGES_AT_ONCE; at < changes.length; at += CHANGES_AT_ONCE) {
      if (isSliceOver()) await nextSlice()
      const [changed, some] = [after, changes.slice(at, at + CHANGES_AT_ONCE)]
      after = await this.#run((rows) => change(rows, changed, some))
    }
    if (after.root === first.before.root) return base
    const { root, fingerprint } = after
    if (root === null || typeof root === 'number') return EMPTY_STATE
    const firstId = await this.#sql.allocate('state', rowsAtMost(root))
    const rows = await inSlices(packRows(root, fingerprint, firstId))
    for (const row of rows) {
      await this.#write(room, row)
      if (isSliceOver()) await nextSlice()
    }
    return rows.at(-1)!.id as StateId
  }

  /** The state with just these entries. */
  build(room: RoomNid, entries: Iterable<readonly [key: StateKeyNid, event: EventNid]>): Promise<StateId> {
    return this.apply(room, EMPTY_STATE, [...entries])
  }

  async #write(room: RoomNid, row: StateRow): Promise<void> {
    await this.#insert.run({ id: row.id, room, data: row.data })
    this.#written.set(row.id, row)
    this.#sql.afterRollback(() => this.#written.delete(row.id))
    this.#sql.afterCommit(() => {
      this.#written.delete(row.id)
      this.#cache.set(row)
    })
  }

  /** Runs an algorithm until it has all rows that it needs. */
  async #run<T>(algorithm: (rows: Rows) => T | Promise<T>): Promise<T> {
    // Held until the end, so that a small cache can't drop one row for the other for ever.
    const loaded = new Map<number, StateRow>()
    const find = (id: number) => loaded.get(id) ?? this.#written.get(id) ?? this.#cache.get(id)
    for (;;) {
      const rows = new Rows(find)
      const result = await algorithm(rows)
      if (rows.lacking.size === 0) return result
      await this.#load([...rows.lacking], loaded)
    }
  }

  async #load(ids: readonly number[], loaded: Map<number, StateRow>): Promise<void> {
    for (let from = 0; from < ids.length; from += LOAD_ROWS_MAX) {
      const some = ids.slice(from, from + LOAD_ROWS_MAX)
      const found =
        some.length === 1
          ? await this.#loadOne.all({ id: some[0]! })
          : await this.#loadMany.all({ ids: integerList(some) })
      for (const { id, data } of found) {
        loaded.set(id, { id, data })
        // What this transaction wrote is in `#written`, so this is committed.
        this.#cache.set({ id, data })
      }
    }
    const missing = ids.find((id) => !loaded.has(id))
    if (missing !== undefined) throw new Error(`The database lacks row ${missing} of the state tree`)
  }
}

function checkChanges(changes: readonly Change[]): void {
  const keys = new Set<number>()
  for (const [key, event] of changes) {
    if (!Number.isInteger(key) || key < 0 || key > KEY_MAX) throw new RangeError(`Not a number of a state key: ${key}`)
    if (event !== null && (!Number.isSafeInteger(event) || event < 0)) throw new RangeError(`Not an event: ${event}`)
    if (keys.has(key)) throw new RangeError(`State key ${key} changes twice`)
    keys.add(key)
  }
}
