import type { DomainTables } from '#store/migrations/ddl.ts'

export const serverKeysTables: DomainTables = (d) => [
  `CREATE TABLE server_keys (
    server ${d.text} NOT NULL,
    key_id ${d.text} NOT NULL,
    public_key ${d.bytes} NOT NULL,
    valid_until_ts ${d.int} NOT NULL,
    expired_ts ${d.int},
    PRIMARY KEY (server, key_id)
  )${d.clustered}`,
  `CREATE TABLE server_key_documents (
    server ${d.text} NOT NULL,
    age ${d.int} NOT NULL,
    json ${d.text} NOT NULL,
    valid_until_ts ${d.int} NOT NULL,
    fetched_ts ${d.int} NOT NULL,
    PRIMARY KEY (server, age)
  )${d.clustered}`,
]
