import type { DomainTables } from '#store/migrations/ddl.ts'

export const outboundTables: DomainTables = (d) => [
  `CREATE TABLE missed_events (
    server ${d.text} NOT NULL,
    room_nid ${d.int} NOT NULL,
    event_nid ${d.int} NOT NULL,
    position ${d.int} NOT NULL,
    PRIMARY KEY (server, room_nid)
  )${d.clustered}`,
  'CREATE INDEX missed_events_position ON missed_events (server, position)',
  `CREATE TABLE queued_edus (
    id ${d.identity},
    server ${d.text} NOT NULL,
    topic ${d.text},
    sender_nid ${d.int},
    edu ${d.text} NOT NULL
  )${d.rows}`,
  'CREATE INDEX queued_edus_server ON queued_edus (server, id)',
  'CREATE INDEX queued_edus_topic ON queued_edus (topic, server) WHERE topic IS NOT NULL',
]
