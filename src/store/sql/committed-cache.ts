import type { Sql } from '#store/sql/sql.ts'

/** What connections share. */
export interface SharedCache<K, V> {
  get(key: K): V | undefined
  set(key: K, value: V): unknown
}

/**
 * A cache shared by all connections, as one of them sees it: what its transaction has written it alone sees until the
 * commit, and after a rollback nobody.
 */
export class CommittedCache<K, V> {
  readonly #sql: Sql
  readonly #shared: SharedCache<K, V>
  readonly #written = new Map<K, V>()

  constructor(sql: Sql, shared: SharedCache<K, V>) {
    this.#sql = sql
    this.#shared = shared
  }

  get(key: K): V | undefined {
    return this.#written.get(key) ?? this.#shared.get(key)
  }

  /** Keeps what was read from the database. */
  found(key: K, value: V): void {
    // What this transaction wrote stands in `#written`, so all else that it can read is committed.
    if (!this.#written.has(key)) this.#shared.set(key, value)
  }

  /** Keeps what this transaction has written just now. */
  wrote(key: K, value: V): void {
    const before = this.#written.get(key)
    this.#written.set(key, value)
    this.#sql.afterCommit(() => {
      this.#written.delete(key)
      this.#shared.set(key, value)
    })
    this.#sql.afterRollback(() => {
      if (before === undefined) this.#written.delete(key)
      else this.#written.set(key, before)
    })
  }
}
