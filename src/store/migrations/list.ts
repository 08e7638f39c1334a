import { firstTables } from '#store/migrations/0001/tables.ts'
import type { Migration } from '#store/migrations/migrate.ts'

/** All steps of the schema, in order. */
export const MIGRATIONS: readonly Migration[] = [{ version: 1, name: 'first tables', up: firstTables }]
