import type { DomainTables } from '#store/migrations/ddl.ts'

export const usersTables: DomainTables = (d) => [
  `CREATE TABLE users (
    nid ${d.key},
    user_id ${d.text} NOT NULL UNIQUE
  )${d.rows}`,
]
