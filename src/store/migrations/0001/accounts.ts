import type { DomainTables } from '#store/migrations/ddl.ts'

export const accountsTables: DomainTables = (d) => [
  `CREATE TABLE accounts (
    user_nid ${d.key} REFERENCES users (nid),
    guest ${d.int} NOT NULL,
    admin ${d.int} NOT NULL,
    password_hash ${d.text},
    created_ts ${d.int} NOT NULL,
    deactivated_ts ${d.int},
    erased ${d.int} NOT NULL,
    departing ${d.int} NOT NULL
  )${d.rows}`,
  'CREATE INDEX accounts_admin ON accounts (user_nid) WHERE admin = 1',
  'CREATE INDEX accounts_departing ON accounts (user_nid) WHERE departing = 1',
]
