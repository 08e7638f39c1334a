import { PostgresConnection } from '#store/sql/postgres/connection.ts'

/** A connection that is made when it is needed, and anew after it broke, with what was built over it. */
export class Link<T> {
  readonly #url: string
  readonly #build: (connection: PostgresConnection) => T
  #live: { readonly connection: PostgresConnection; readonly over: T } | null = null

  constructor(url: string, build: (connection: PostgresConnection) => T) {
    this.#url = url
    this.#build = build
  }

  async live(): Promise<{ readonly connection: PostgresConnection; readonly over: T }> {
    if (this.#live === null || this.#live.connection.broken) {
      await this.close()
      const connection = await PostgresConnection.connect(this.#url)
      this.#live = { connection, over: this.#build(connection) }
    }
    return this.#live
  }

  async close(): Promise<void> {
    const live = this.#live
    this.#live = null
    if (live !== null) await live.connection.close().catch(() => {}) // It broke, and is gone either way.
  }
}
