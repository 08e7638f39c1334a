import type { DomainTables } from '#store/migrations/ddl.ts'

export const logTables: DomainTables = (d) => [
  `CREATE TABLE log (
    position ${d.key},
    kind ${d.int} NOT NULL,
    room_nid ${d.int},
    user_nid ${d.int}
  )${d.rows}`,
  `CREATE TABLE followers (
    name ${d.text} PRIMARY KEY,
    position ${d.int} NOT NULL,
    -- Grows with each process that takes the follower over.
    fence ${d.int} NOT NULL DEFAULT 0
  )${d.clustered}`,
]
