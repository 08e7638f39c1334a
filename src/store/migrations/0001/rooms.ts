import type { DomainTables } from '#store/migrations/ddl.ts'

export const roomsTables: DomainTables = (d) => [
  `CREATE TABLE rooms (
    nid ${d.key},
    room_id ${d.text} NOT NULL UNIQUE,
    version ${d.text} NOT NULL,
    head_seq ${d.int} NOT NULL,
    state_id ${d.int} NOT NULL,
    rank_max ${d.int} NOT NULL,
    last_position ${d.int} NOT NULL,
    published ${d.int} NOT NULL,
    joined ${d.int} NOT NULL,
    invited ${d.int} NOT NULL,
    local_joined ${d.int} NOT NULL,
    partial ${d.text}
  )${d.rows}`,
  'CREATE INDEX rooms_published ON rooms (joined DESC, nid) WHERE published = 1',
  'CREATE INDEX rooms_partial ON rooms (nid) WHERE partial IS NOT NULL',
  `CREATE TABLE room_servers (
    room_nid ${d.int} NOT NULL,
    server ${d.text} NOT NULL,
    joined ${d.int} NOT NULL,
    PRIMARY KEY (room_nid, server)
  )${d.clustered}`,
  'CREATE INDEX room_servers_server ON room_servers (server, room_nid)',
  `CREATE TABLE room_server_log (
    room_nid ${d.int} NOT NULL,
    position ${d.int} NOT NULL,
    server ${d.text} NOT NULL,
    present ${d.int} NOT NULL,
    PRIMARY KEY (room_nid, position, server)
  )${d.clustered}`,
  `CREATE TABLE extremities (
    room_nid ${d.int} NOT NULL,
    event_nid ${d.int} NOT NULL,
    PRIMARY KEY (room_nid, event_nid)
  )${d.clustered}`,
  `CREATE TABLE claimed_states (
    room_nid ${d.int} NOT NULL,
    event_id ${d.text} NOT NULL,
    state_id ${d.int} NOT NULL,
    is_before ${d.int} NOT NULL,
    PRIMARY KEY (room_nid, event_id, state_id)
  )${d.clustered}`,
  `CREATE TABLE room_aliases (
    alias ${d.text} PRIMARY KEY,
    room_nid ${d.int} NOT NULL REFERENCES rooms (nid),
    creator_nid ${d.int} NOT NULL REFERENCES users (nid)
  )${d.clustered}`,
  'CREATE INDEX room_aliases_room ON room_aliases (room_nid)',
]
