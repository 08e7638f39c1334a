import type { DomainTables } from '#store/migrations/ddl.ts'

export const deviceKeysTables: DomainTables = (d) => [
  `CREATE TABLE device_keys (
    user_nid ${d.int} NOT NULL,
    device_id ${d.text} NOT NULL,
    keys ${d.text} NOT NULL,
    PRIMARY KEY (user_nid, device_id),
    FOREIGN KEY (user_nid, device_id) REFERENCES devices (user_nid, device_id) ON DELETE CASCADE
  )${d.clustered}`,
]
