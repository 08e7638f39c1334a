import type { DomainTables } from '#store/migrations/ddl.ts'

export const destinationsTables: DomainTables = (d) => [
  `CREATE TABLE failing_destinations (
    server ${d.text} PRIMARY KEY,
    failing_since_ts ${d.int} NOT NULL,
    failures ${d.int} NOT NULL,
    next_try_ts ${d.int} NOT NULL
  )${d.clustered}`,
  'CREATE INDEX failing_destinations_next_try ON failing_destinations (next_try_ts)',
]
