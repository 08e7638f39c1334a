import type { DomainTables } from '#store/migrations/ddl.ts'

export const receiptsTables: DomainTables = (d) => [
  `CREATE TABLE receipts (
    room_nid ${d.int} NOT NULL,
    user_nid ${d.int} NOT NULL,
    type ${d.int} NOT NULL,
    thread_id ${d.text} NOT NULL,
    event_id ${d.text} NOT NULL,
    rank ${d.int} NOT NULL,
    ts ${d.int} NOT NULL,
    position ${d.int} NOT NULL,
    PRIMARY KEY (room_nid, user_nid, type, thread_id)
  )${d.clustered}`,
  'CREATE INDEX receipts_position ON receipts (room_nid, position)',
]
