import type { Compilable, Kysely } from 'kysely'
import type { Row, SqlValue } from '#store/sql/connection.ts'
import type { Schema } from '#store/sql/schema.ts'
import type { Prepared } from '#store/sql/sql.ts'

/** Stands in a compiled statement for a value that is given later. */
class Placeholder {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

/** An object whose every member is the placeholder of that name. */
const PLACEHOLDERS = new Proxy(
  {},
  { get: (_target, name) => (typeof name === 'string' ? new Placeholder(name) : undefined) },
)

type Execute = (text: string, parameters: readonly unknown[]) => Promise<{ rows: Row[]; changes: number }>

/** See Sql.prepare. */
export class PreparedStatement<P extends Record<string, SqlValue>, R> implements Prepared<P, R> {
  readonly #build: () => Compilable<R>
  readonly #execute: Execute
  #compiled: { text: string; parameters: readonly unknown[] } | null = null

  constructor(db: Kysely<Schema>, execute: Execute, build: (db: Kysely<Schema>, p: P) => Compilable<R>) {
    this.#execute = execute
    this.#build = () => build(db, PLACEHOLDERS as P)
  }

  async all(parameters: P): Promise<R[]> {
    return (await this.#run(parameters)).rows as R[]
  }

  async get(parameters: P): Promise<R | undefined> {
    return (await this.#run(parameters)).rows[0] as R | undefined
  }

  async run(parameters: P): Promise<number> {
    return (await this.#run(parameters)).changes
  }

  #run(values: P) {
    const { text, parameters } = this.#statement()
    const given = parameters.map((p) => (p instanceof Placeholder ? values[p.name] : p))
    return this.#execute(text, given)
  }

  #statement() {
    if (this.#compiled === null) {
      const { sql, parameters } = this.#build().compile()
      this.#compiled = { text: sql, parameters }
    }
    return this.#compiled
  }
}
