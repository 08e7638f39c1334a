import type { DomainTables } from '#store/migrations/ddl.ts'

export const inboundTables: DomainTables = (d) => [
  `CREATE TABLE inbound_transactions (
    origin ${d.text} NOT NULL,
    txn_id ${d.text} NOT NULL,
    response ${d.text} NOT NULL,
    received_ts ${d.int} NOT NULL,
    PRIMARY KEY (origin, txn_id)
  )${d.clustered}`,
  'CREATE INDEX inbound_transactions_age ON inbound_transactions (received_ts)',
  `CREATE TABLE staged_pdus (
    id ${d.identity},
    room_id ${d.text} NOT NULL,
    origin ${d.text} NOT NULL,
    received_ts ${d.int} NOT NULL,
    json ${d.text} NOT NULL
  )${d.rows}`,
  'CREATE INDEX staged_pdus_room ON staged_pdus (room_id, id)',
  'CREATE INDEX staged_pdus_origin ON staged_pdus (origin)',
]
