/** All tables, as Kysely sees them: one line a domain. */
import type { CountersTables } from '#store/sql/tables/counters.ts'
import type { StateTables } from '#store/sql/tables/state.ts'

export interface Schema extends CountersTables, StateTables {}
