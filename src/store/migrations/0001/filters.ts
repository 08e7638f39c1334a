import type { DomainTables } from '#store/migrations/ddl.ts'

export const filtersTables: DomainTables = (d) => [
  `CREATE TABLE filters (
    user_nid ${d.int} NOT NULL REFERENCES users (nid),
    id ${d.int} NOT NULL,
    hash ${d.text} NOT NULL,
    content ${d.text} NOT NULL,
    PRIMARY KEY (user_nid, id),
    UNIQUE (user_nid, hash)
  )${d.clustered}`,
]
