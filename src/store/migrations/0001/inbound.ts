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
  `CREATE TABLE left_out_events (
    room_nid ${d.int} NOT NULL,
    state_id ${d.int} NOT NULL,
    event_id ${d.text} NOT NULL,
    is_in_state ${d.int} NOT NULL,
    via ${d.text} NOT NULL,
    since_ts ${d.int} NOT NULL,
    json ${d.text},
    PRIMARY KEY (room_nid, state_id, event_id)
  )${d.clustered}`,
  'CREATE INDEX left_out_events_age ON left_out_events (since_ts)',
]
