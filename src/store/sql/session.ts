import { type Compilable, type Expression, type Kysely, sql as template } from 'kysely'
import type { ServerName } from '#core/ids.ts'
import { type Connection, isPlainQuery, type Result, type SqlValue } from '#store/sql/connection.ts'
import { type Counter, Counters, type CounterValues } from '#store/sql/counters.ts'
import { type HookMark, Hooks } from '#store/sql/hooks.ts'
import { kyselyOver } from '#store/sql/kysely.ts'
import { PreparedStatement } from '#store/sql/prepared.ts'
import type { Schema } from '#store/sql/schema.ts'
import type { Prepared, Sql } from '#store/sql/sql.ts'
import type { CommittedEntry, LogCommit } from '#store/types/log.ts'
import type { StorageLimits } from '#store/types/storage-use.ts'

/** Objects that all connections of a store share, by the function that makes them. */
export type Shared = Map<() => unknown, unknown>

/** What every connection of a store is given. */
export type Surroundings = {
  readonly serverName: ServerName
  readonly clock: () => number
  /** Without, users may store without end. */
  readonly storageLimits?: StorageLimits
}

export type SessionOptions = Surroundings & { readonly shared: Shared; readonly writable: boolean }

/** A place in a transaction to return to. */
export type Mark = {
  readonly hooks: HookMark
  readonly counters: CounterValues | null
  readonly changes: number
  readonly entries: number
}

/** `Sql` over one connection, with the engine's side of it: where transactions begin and end. */
export class Session implements Sql {
  readonly db: Kysely<Schema>
  readonly clock: () => number
  readonly serverName: ServerName
  readonly storageLimits: StorageLimits
  readonly #connection: Connection
  readonly #counters: Counters
  readonly #hooks = new Hooks()
  readonly #shared: Shared
  readonly #writable: boolean
  #open = false
  #entries: CommittedEntry[] = []
  /** Statements that may have changed something, or failed. */
  #changes = 0

  constructor(connection: Connection, options: SessionOptions) {
    this.#connection = connection
    this.#counters = new Counters(connection)
    this.#shared = options.shared
    this.#writable = options.writable
    this.clock = options.clock
    this.serverName = options.serverName
    this.storageLimits = options.storageLimits ?? {}
    this.db = kyselyOver(connection.dialect, (text, parameters) => this.#execute(text, parameters, false))
  }

  get dialect() {
    return this.#connection.dialect
  }

  prepare<P extends Record<string, SqlValue>, R>(build: (db: Kysely<Schema>, p: P) => Compilable<R>): Prepared<P, R> {
    return new PreparedStatement(this.db, (text, parameters) => this.#execute(text, parameters, true), build)
  }

  integers(json: string): Expression<number> {
    return this.dialect === 'sqlite'
      ? template<number>`(SELECT value FROM json_each(${json}))`
      : template<number>`(SELECT value::bigint FROM json_array_elements_text(${json}::json))`
  }

  texts(json: string): Expression<string> {
    return this.dialect === 'sqlite'
      ? template<string>`(SELECT value FROM json_each(${json}))`
      : template<string>`(SELECT value FROM json_array_elements_text(${json}::json))`
  }

  async all<R>(text: string, parameters: readonly SqlValue[] = []): Promise<R[]> {
    return (await this.#execute(this.#numbered(text), parameters, true)).rows as R[]
  }

  async get<R>(text: string, parameters: readonly SqlValue[] = []): Promise<R | undefined> {
    return (await this.#execute(this.#numbered(text), parameters, true)).rows[0] as R | undefined
  }

  async run(text: string, parameters: readonly SqlValue[] = []): Promise<number> {
    return (await this.#execute(this.#numbered(text), parameters, true)).changes
  }

  async allocate(counter: Counter, n = 1): Promise<number> {
    if (!this.#open || !this.#writable) throw new Error('Numbers are given out only inside a write')
    return this.#counters.allocate(counter, n)
  }

  nextPosition(): Promise<number> {
    return this.allocate('position')
  }

  async position(): Promise<number> {
    if (this.#counters.values !== null) return this.#counters.values.position
    const { rows } = await this.#execute('SELECT position FROM counters', [], true)
    return rows[0]?.['position'] as number
  }

  logged(entry: CommittedEntry): void {
    this.#entries.push(entry)
  }

  afterCommit(fn: () => void): void {
    this.#hooks.afterCommit(fn)
  }

  afterRollback(fn: () => void): void {
    this.#hooks.afterRollback(fn)
  }

  shared<T>(make: () => T): T {
    if (!this.#shared.has(make)) this.#shared.set(make, make())
    return this.#shared.get(make) as T
  }

  // ---- The engine's side.

  /** A transaction began on the connection. */
  begin(): void {
    this.#open = true
  }

  /** True when a statement since may have changed something, or failed. */
  changedSince(mark: Mark): boolean {
    return this.#changes !== mark.changes
  }

  mark(): Mark {
    return {
      hooks: this.#hooks.mark(),
      counters: this.#counters.values,
      changes: this.#changes,
      entries: this.#entries.length,
    }
  }

  /** What happened since the mark was taken back. */
  rolledBackTo(mark: Mark): void {
    this.#counters.restore(mark.counters)
    this.#hooks.rolledBack(mark.hooks)
    this.#entries.length = mark.entries
  }

  /** The last statement before the commit, if there is one, and the position that the commit makes visible. */
  writeBack(): { text: string; position: number | null } | null {
    return this.#counters.writeBack()
  }

  /** The transaction is durable. Tells what it wrote to the log; null without anything. */
  committed(): LogCommit | null {
    const positions = this.#counters.positions()
    const entries = this.#entries.sort((a, b) => a.position - b.position)
    this.#end()
    this.#hooks.committed()
    return positions === null ? null : { ...positions, entries }
  }

  /** The whole transaction was taken back. */
  rolledBack(): void {
    this.#end()
    this.#hooks.rolledBack()
  }

  #end(): void {
    this.#open = false
    this.#counters.forget()
    this.#entries = []
  }

  async #execute(text: string, parameters: readonly unknown[], reuse: boolean): Promise<Result> {
    if (!this.#open) throw new Error('The transaction has ended: await every call on tx')
    if (!isPlainQuery(text)) this.#changes++
    try {
      return await this.#connection.execute(text, parameters, reuse)
    } catch (error) {
      // PostgreSQL takes no further statement after a failed one.
      this.#changes++
      throw error
    }
  }

  /** `?` as the dialect writes it. */
  #numbered(text: string): string {
    if (this.dialect === 'sqlite') return text
    let n = 0
    return text.replaceAll('?', () => `$${++n}`)
  }
}
