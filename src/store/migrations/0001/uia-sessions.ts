import type { DomainTables } from '#store/migrations/ddl.ts'

export const uiaSessionsTables: DomainTables = (d) => [
  `CREATE TABLE uia_sessions (
    id_hash ${d.text} PRIMARY KEY,
    operation ${d.text} NOT NULL,
    user_nid ${d.int},
    fingerprint ${d.text},
    completed ${d.text} NOT NULL,
    expires_ts ${d.int} NOT NULL
  )${d.clustered}`,
  'CREATE INDEX uia_sessions_expiry ON uia_sessions (expires_ts)',
]
