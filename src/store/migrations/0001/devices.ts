import type { DomainTables } from '#store/migrations/ddl.ts'

export const devicesTables: DomainTables = (d) => [
  `CREATE TABLE devices (
    user_nid ${d.int} NOT NULL REFERENCES users (nid),
    device_id ${d.text} NOT NULL,
    display_name ${d.text},
    created_ts ${d.int} NOT NULL,
    last_seen_ts ${d.int},
    last_seen_ip ${d.text},
    PRIMARY KEY (user_nid, device_id)
  )${d.clustered}`,
  `CREATE TABLE device_list_changes (
    position ${d.key},
    user_nid ${d.int} NOT NULL REFERENCES users (nid),
    device_id ${d.text}
  )${d.rows}`,
  'CREATE INDEX device_list_changes_user ON device_list_changes (user_nid, position)',
]
