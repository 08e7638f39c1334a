import type { DomainTables } from '#store/migrations/ddl.ts'

export const currentStateTables: DomainTables = (d) => [
  `CREATE TABLE state_keys (
    nid ${d.key},
    type ${d.text} NOT NULL,
    state_key ${d.text} NOT NULL,
    UNIQUE (type, state_key)
  )${d.rows}`,
  `CREATE TABLE current_state (
    room_nid ${d.int} NOT NULL,
    type_nid ${d.int} NOT NULL,
    key_nid ${d.int} NOT NULL,
    event_nid ${d.int} NOT NULL,
    PRIMARY KEY (room_nid, type_nid, key_nid)
  )${d.clustered}`,
  `CREATE TABLE state_log (
    room_nid ${d.int} NOT NULL,
    position ${d.int} NOT NULL,
    state_id ${d.int} NOT NULL,
    PRIMARY KEY (room_nid, position)
  )${d.clustered}`,
]
