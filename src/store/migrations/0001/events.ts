import type { DomainTables } from '#store/migrations/ddl.ts'

/**
 * The bytes a message takes are decided here. Only `event_id` is a random key; the other indexes are integers that
 * mostly grow, and leave out what no query asks for.
 */
export const eventsTables: DomainTables = (d) => [
  `CREATE TABLE events (
    nid ${d.key},
    event_id ${d.text} NOT NULL UNIQUE,
    room_nid ${d.int} NOT NULL,
    position ${d.int},
    rank ${d.int},
    sender_nid ${d.int} NOT NULL,
    origin_server_ts ${d.int} NOT NULL,
    depth ${d.int} NOT NULL,
    generation ${d.int} NOT NULL,
    state_before ${d.int} NOT NULL,
    state_after ${d.int},
    flags ${d.int} NOT NULL,
    redacted_by ${d.int},
    prev ${d.bytes} NOT NULL,
    auth ${d.bytes} NOT NULL,
    json ${d.text} NOT NULL
  )${d.rows}`,
  'CREATE INDEX events_rank ON events (room_nid, rank) WHERE rank IS NOT NULL',
  'CREATE INDEX events_position ON events (room_nid, position) WHERE position IS NOT NULL',
  'CREATE INDEX events_ts ON events (room_nid, origin_server_ts) WHERE rank IS NOT NULL',
  `CREATE TABLE rejections (
    event_nid ${d.key},
    reason ${d.text} NOT NULL
  )${d.rows}`,
  `CREATE TABLE backward_extremities (
    room_nid ${d.int} NOT NULL,
    rank ${d.int} NOT NULL,
    missing_id ${d.text} NOT NULL,
    cited_by ${d.int} NOT NULL,
    PRIMARY KEY (room_nid, rank, missing_id)
  )${d.clustered}`,
  'CREATE INDEX backward_extremities_missing ON backward_extremities (missing_id)',
  `CREATE TABLE pending_redactions (
    target_id ${d.text} NOT NULL,
    event_nid ${d.int} NOT NULL,
    PRIMARY KEY (target_id, event_nid)
  )${d.clustered}`,
  `CREATE TABLE late_redactions (
    room_nid ${d.int} NOT NULL,
    position ${d.int} NOT NULL,
    event_nid ${d.int} NOT NULL,
    PRIMARY KEY (room_nid, position)
  )${d.clustered}`,
  `CREATE TABLE relations (
    parent_id ${d.text} NOT NULL,
    event_nid ${d.int} NOT NULL,
    room_nid ${d.int} NOT NULL,
    rel_type ${d.text} NOT NULL,
    type ${d.text} NOT NULL,
    PRIMARY KEY (parent_id, event_nid)
  )${d.clustered}`,
  `CREATE TABLE thread_events (
    event_nid ${d.key},
    root_id ${d.text} NOT NULL
  )${d.rows}`,
  `CREATE TABLE transactions (
    event_nid ${d.key},
    user_nid ${d.int} NOT NULL,
    device_id ${d.text} NOT NULL,
    room_nid ${d.int} NOT NULL,
    txn_id ${d.text} NOT NULL,
    endpoint ${d.text} NOT NULL,
    ts ${d.int} NOT NULL
  )${d.rows}`,
  'CREATE UNIQUE INDEX transactions_key ON transactions (user_nid, txn_id, room_nid, device_id, endpoint)',
]
