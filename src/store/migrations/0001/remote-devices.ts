import type { DomainTables } from '#store/migrations/ddl.ts'

export const remoteDevicesTables: DomainTables = (d) => [
  `CREATE TABLE remote_device_lists (
    user_nid ${d.key},
    server ${d.text} NOT NULL,
    stream_id ${d.int},
    stale ${d.int} NOT NULL,
    master_key ${d.text},
    self_signing_key ${d.text}
  )${d.rows}`,
  'CREATE INDEX remote_device_lists_stale ON remote_device_lists (server, user_nid) WHERE stale > 0',
  `CREATE TABLE remote_devices (
    user_nid ${d.int} NOT NULL REFERENCES remote_device_lists (user_nid) ON DELETE CASCADE,
    device_id ${d.text} NOT NULL,
    keys ${d.text},
    display_name ${d.text},
    PRIMARY KEY (user_nid, device_id)
  )${d.clustered}`,
]
