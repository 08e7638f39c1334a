import type { DomainTables } from '#store/migrations/ddl.ts'

export const profilesTables: DomainTables = (d) => [
  `CREATE TABLE profile_fields (
    user_nid ${d.int} NOT NULL REFERENCES users (nid),
    field ${d.text} NOT NULL,
    value ${d.text},
    position ${d.int} NOT NULL,
    PRIMARY KEY (user_nid, field)
  )${d.clustered}`,
  'CREATE INDEX profile_fields_position ON profile_fields (position)',
]
