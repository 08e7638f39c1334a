import type { DomainTables } from '#store/migrations/ddl.ts'

export const crossSigningKeysTables: DomainTables = (d) => [
  `CREATE TABLE cross_signing_keys (
    user_nid ${d.int} NOT NULL REFERENCES users (nid),
    usage ${d.text} NOT NULL,
    public_key ${d.text} NOT NULL,
    key ${d.text} NOT NULL,
    PRIMARY KEY (user_nid, usage)
  )${d.clustered}`,
]
