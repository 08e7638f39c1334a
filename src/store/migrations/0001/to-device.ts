import type { DomainTables } from '#store/migrations/ddl.ts'

export const toDeviceTables: DomainTables = (d) => [
  `CREATE TABLE to_device_messages (
    user_nid ${d.int} NOT NULL,
    device_id ${d.text} NOT NULL,
    position ${d.int} NOT NULL,
    event ${d.text} NOT NULL,
    PRIMARY KEY (user_nid, device_id, position),
    FOREIGN KEY (user_nid, device_id) REFERENCES devices (user_nid, device_id) ON DELETE CASCADE
  )${d.clustered}`,
  `CREATE TABLE to_device_transactions (
    user_nid ${d.int} NOT NULL,
    device_id ${d.text} NOT NULL,
    event_type ${d.text} NOT NULL,
    txn_id ${d.text} NOT NULL,
    ts ${d.int} NOT NULL,
    PRIMARY KEY (user_nid, device_id, event_type, txn_id)
  )${d.clustered}`,
  'CREATE INDEX to_device_transactions_ts ON to_device_transactions (ts)',
  `CREATE TABLE to_device_message_ids (
    server ${d.text} NOT NULL,
    message_id ${d.text} NOT NULL,
    ts ${d.int} NOT NULL,
    PRIMARY KEY (server, message_id)
  )${d.clustered}`,
  'CREATE INDEX to_device_message_ids_ts ON to_device_message_ids (ts)',
]
