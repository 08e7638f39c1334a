import pg from 'pg'
import { type Connection, parameterValue, type Result, type Row } from '#store/sql/connection.ts'

/** The longest that a connection may sit in a transaction without a statement, so that a stuck process frees its locks. */
const IDLE_IN_TRANSACTION_MS_MAX = 30_000
const CONNECT_MS_MAX = 10_000

const OID = { bool: 16, bytea: 17, int8: 20, numeric: 1700 }

/** The same values as SQLite gives: numbers where they are safe, 1 and 0 for true and false, plain bytes. */
const PARSERS: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([
  [OID.bool, (text) => (text === 't' ? 1 : 0)],
  [OID.bytea, bytesOf],
  [OID.int8, numberOf],
  // What sum() of integers gives.
  [OID.numeric, numberOf],
])

function numberOf(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new RangeError(`Not a safe integer: ${text}`)
  return value
}

function bytesOf(text: string): Uint8Array {
  const buffer: Buffer = pg.types.getTypeParser(OID.bytea)(text)
  // A copy: a small Buffer is a part of a larger one, which a cache would keep alive with it.
  return new Uint8Array(buffer)
}

/** A connection to a PostgreSQL server. It is not mended: when it broke, make a new one. */
export class PostgresConnection implements Connection {
  readonly dialect = 'postgres'
  readonly client: pg.Client
  readonly #names = new Map<string, string>()
  #broken = false

  private constructor(client: pg.Client) {
    this.client = client
    client.on('error', () => {
      this.#broken = true
    })
    client.on('end', () => {
      this.#broken = true
    })
  }

  static async connect(url: string): Promise<PostgresConnection> {
    const client = new pg.Client({
      connectionString: url,
      application_name: 'hearth',
      keepAlive: true,
      connectionTimeoutMillis: CONNECT_MS_MAX,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS_MAX,
      types: {
        getTypeParser(oid: number, format?: string) {
          return (
            PARSERS.get(oid) ??
            (format === 'binary' ? pg.types.getTypeParser(oid, 'binary') : pg.types.getTypeParser(oid))
          )
        },
      } as pg.CustomTypesConfig,
    })
    const connection = new PostgresConnection(client)
    await client.connect()
    // An acknowledged write is on disk, whatever the server's default. Stricter settings stay.
    await client.query(
      "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')",
    )
    return connection
  }

  get broken(): boolean {
    return this.#broken
  }

  async execute(text: string, parameters: readonly unknown[], reuse: boolean): Promise<Result> {
    const values = parameters.map(parameterValue)
    const result = await this.client.query<Row>(reuse ? { name: this.#name(text), text, values } : { text, values })
    return { rows: result.rows, changes: result.rowCount ?? 0 }
  }

  async beginWrite(): Promise<void> {
    await this.script('BEGIN ISOLATION LEVEL READ COMMITTED')
  }

  /** Begins a transaction, and returns its id: see `pg_xact_status`. */
  async beginKnown(): Promise<string> {
    const { rows } = await this.script('BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_current_xact_id()::text AS xid')
    return rows[0]?.['xid'] as string
  }

  /** Several statements in one round trip, without parameters. Returns the last result: that of COMMIT may be ROLLBACK. */
  async script(text: string): Promise<pg.QueryResult<Row>> {
    const results: pg.QueryResult | pg.QueryResult[] = await this.client.query(text)
    return [results].flat().at(-1)!
  }

  async close(): Promise<void> {
    await this.client.end()
  }

  #name(text: string): string {
    let name = this.#names.get(text)
    if (name === undefined) {
      name = `h${this.#names.size}`
      this.#names.set(text, name)
    }
    return name
  }
}
