import type { Connection } from '#store/sql/connection.ts'

/** The columns of the one row of `counters`: each holds the last number given out. */
export const COUNTERS = ['position', 'event', 'state', 'room', 'user', 'state_key'] as const

/**
 * `position`: stream positions. `event`, `room`, `state_key`: short ids of what has a long one. `state`: rows of the
 * state tree. `user`: short ids of users, local and remote.
 */
export type Counter = (typeof COUNTERS)[number]

export type CounterValues = Readonly<Record<Counter, number>>

/**
 * The counters of one connection. Read at the first use in a transaction (and locked, where several connections write),
 * counted in memory, written back just before the commit.
 */
export class Counters {
  readonly #connection: Connection
  /** As the row stands in the database. null: not read in this transaction. */
  #stored: CounterValues | null = null
  #values: CounterValues | null = null

  constructor(connection: Connection) {
    this.#connection = connection
  }

  async allocate(counter: Counter, n: number): Promise<number> {
    if (!Number.isSafeInteger(n) || n < 1) throw new RangeError(`Can't allocate ${n} numbers`)
    const values = await this.#load()
    const last = values[counter]
    this.#values = { ...values, [counter]: last + n }
    return last + 1
  }

  /** What to return to with `restore`. */
  get values(): CounterValues | null {
    return this.#values
  }

  /** Takes back what was given out since. */
  restore(values: CounterValues | null): void {
    this.#values = values ?? this.#stored
  }

  /** The statement that writes the row back, its numbers in the text; null when nothing was given out. */
  writeBack(): { text: string; position: number | null } | null {
    const [stored, values] = [this.#stored, this.#values]
    if (stored === null || values === null) return null
    const changed = COUNTERS.filter((counter) => values[counter] !== stored[counter])
    if (changed.length === 0) return null
    const text = `UPDATE counters SET ${changed.map((counter) => `"${counter}" = ${values[counter]}`).join(', ')}`
    return { text, position: changed.includes('position') ? values.position : null }
  }

  /** The last position before this transaction, and its own last one; null when it gave none out. */
  positions(): { from: number; to: number } | null {
    const [stored, values] = [this.#stored, this.#values]
    if (stored === null || values === null || stored.position === values.position) return null
    return { from: stored.position, to: values.position }
  }

  /** The transaction ended. */
  forget(): void {
    this.#stored = null
    this.#values = null
  }

  async #load(): Promise<CounterValues> {
    if (this.#values !== null) return this.#values
    const columns = COUNTERS.map((counter) => `"${counter}"`).join(', ')
    const lock = this.#connection.dialect === 'postgres' ? ' FOR UPDATE' : ''
    const { rows } = await this.#connection.execute(`SELECT ${columns} FROM counters${lock}`, [], true)
    this.#stored = rows[0] as CounterValues
    this.#values = this.#stored
    return this.#values
  }
}
