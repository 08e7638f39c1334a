import type { Compilable, Expression, Kysely } from 'kysely'
import type { ServerName } from '#core/ids.ts'
import type { DialectName, SqlValue } from '#store/sql/connection.ts'
import type { Counter } from '#store/sql/counters.ts'
import type { Schema } from '#store/sql/schema.ts'
import type { CommittedEntry } from '#store/types/log.ts'
import type { StorageLimits } from '#store/types/storage-use.ts'

/** A statement compiled once. The values of its parameters are given by name at each call. */
export interface Prepared<P, R> {
  all(parameters: P): Promise<R[]>
  /** The first row. */
  get(parameters: P): Promise<R | undefined>
  /** How many rows were changed. */
  run(parameters: P): Promise<number>
}

/**
 * What a domain's implementation builds on: one connection, inside the transaction of the function that runs. The same
 * object serves all transactions of a connection, so a domain keeps nothing of one transaction in itself.
 */
export interface Sql {
  readonly dialect: DialectName
  /** For statements off the hot path: each call builds and compiles. An empty `in` list is an error on PostgreSQL. */
  readonly db: Kysely<Schema>

  /**
   * For the hot path: builds and compiles at the first call, then only replaces parameters. In `build`, `p.name` stands
   * for the parameter, wherever Kysely takes a value:
   * `sql.prepare((db, p: { id: number }) => db.selectFrom('rooms').selectAll().where('id', '=', p.id))`.
   */
  prepare<P extends Record<string, SqlValue>, R>(build: (db: Kysely<Schema>, p: P) => Compilable<R>): Prepared<P, R>

  /** The integers of an `integerList(ids)`, for `in`: one statement whatever the list's length. */
  integers(json: string): Expression<number>
  /** The strings of a `textList(texts)`, for `in`. */
  texts(json: string): Expression<string>

  /** Rows of a statement written by hand, with `?` for parameters (and no other question marks). */
  all<R>(text: string, parameters?: readonly SqlValue[]): Promise<R[]>
  get<R>(text: string, parameters?: readonly SqlValue[]): Promise<R | undefined>
  /** Returns how many rows were changed. */
  run(text: string, parameters?: readonly SqlValue[]): Promise<number>

  /**
   * The first of `n` consecutive numbers. Numbers grow in the order of commits and are never given out twice; those of
   * a write that failed are given out again. On PostgreSQL the first call locks the counters until the commit, so lock
   * the room's row before.
   */
  allocate(counter: Counter, n?: number): Promise<number>
  /** A new stream position. */
  nextPosition(): Promise<number>
  /** The highest stream position given out in this snapshot or transaction. */
  position(): Promise<number>

  /** Notes an entry of the log that this transaction writes: its followers get it after the commit. */
  logged(entry: CommittedEntry): void

  /** Calls `fn` when what was written is durable: the moment to publish caches. Must not throw. */
  afterCommit(fn: () => void): void
  /** Calls `fn` when what was written since is taken back (also when only this function's part is). Must not throw. */
  afterRollback(fn: () => void): void

  /** The one object of the store that `make` makes, shared by all connections: a cache. Keyed by the function. */
  shared<T>(make: () => T): T
  /** Milliseconds since the epoch. */
  readonly clock: () => number
  /** The most that one user may store. */
  readonly storageLimits: StorageLimits
  /** This server's own. */
  readonly serverName: ServerName
}
