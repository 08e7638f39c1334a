import type { DomainTables } from '#store/migrations/ddl.ts'

export const accountDataTables: DomainTables = (d) => [
  `CREATE TABLE account_data (
    user_nid ${d.int} NOT NULL REFERENCES users (nid),
    room_id ${d.text} NOT NULL,
    type ${d.text} NOT NULL,
    content ${d.text} NOT NULL,
    position ${d.int} NOT NULL,
    PRIMARY KEY (user_nid, room_id, type)
  )${d.clustered}`,
  'CREATE INDEX account_data_position ON account_data (user_nid, position)',
]
