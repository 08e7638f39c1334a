import { countersTables } from '#store/migrations/0001/counters.ts'
import { stateTables } from '#store/migrations/0001/state.ts'
import type { Ddl, DomainTables } from '#store/migrations/ddl.ts'
import type { Connection } from '#store/sql/connection.ts'

/** The tables of the first release: one line a domain. Referenced tables come before those that reference them. */
const DOMAINS: readonly DomainTables[] = [countersTables, stateTables]

export async function firstTables(connection: Connection, d: Ddl): Promise<void> {
  for (const tables of DOMAINS) {
    for (const statement of tables(d)) await connection.execute(statement, [], false)
  }
}
