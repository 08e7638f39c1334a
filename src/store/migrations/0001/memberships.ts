import type { DomainTables } from '#store/migrations/ddl.ts'

export const membershipsTables: DomainTables = (d) => [
  `CREATE TABLE memberships (
    user_nid ${d.int} NOT NULL,
    room_nid ${d.int} NOT NULL,
    membership ${d.int} NOT NULL,
    event_nid ${d.int} NOT NULL,
    since ${d.int} NOT NULL,
    position ${d.int} NOT NULL,
    forgotten ${d.int} NOT NULL,
    PRIMARY KEY (user_nid, room_nid)
  )${d.clustered}`,
  'CREATE INDEX memberships_room ON memberships (room_nid, membership, since)',
  'CREATE INDEX memberships_position ON memberships (user_nid, position)',
  `CREATE TABLE stripped_states (
    user_nid ${d.int} NOT NULL,
    room_nid ${d.int} NOT NULL,
    events ${d.text} NOT NULL,
    PRIMARY KEY (user_nid, room_nid)
  )${d.clustered}`,
  `CREATE TABLE membership_log (
    room_nid ${d.int} NOT NULL,
    user_nid ${d.int} NOT NULL,
    position ${d.int} NOT NULL,
    membership ${d.int} NOT NULL,
    event_nid ${d.int} NOT NULL,
    PRIMARY KEY (room_nid, user_nid, position)
  )${d.clustered}`,
]
