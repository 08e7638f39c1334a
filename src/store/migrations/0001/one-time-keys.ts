import type { DomainTables } from '#store/migrations/ddl.ts'

export const oneTimeKeysTables: DomainTables = (d) => [
  `CREATE TABLE one_time_keys (
    id ${d.identity},
    user_nid ${d.int} NOT NULL,
    device_id ${d.text} NOT NULL,
    algorithm ${d.text} NOT NULL,
    key_id ${d.text} NOT NULL,
    digest ${d.text} NOT NULL,
    key ${d.text},
    UNIQUE (user_nid, device_id, algorithm, key_id),
    FOREIGN KEY (user_nid, device_id) REFERENCES devices (user_nid, device_id) ON DELETE CASCADE
  )${d.rows}`,
  'CREATE INDEX one_time_keys_waiting ON one_time_keys (user_nid, device_id, algorithm, id) WHERE key IS NOT NULL',
  'CREATE INDEX one_time_keys_claimed ON one_time_keys (user_nid, device_id, id) WHERE key IS NULL',
  `CREATE TABLE fallback_keys (
    user_nid ${d.int} NOT NULL,
    device_id ${d.text} NOT NULL,
    algorithm ${d.text} NOT NULL,
    key_id ${d.text} NOT NULL,
    key ${d.text} NOT NULL,
    used ${d.int} NOT NULL,
    PRIMARY KEY (user_nid, device_id, algorithm),
    FOREIGN KEY (user_nid, device_id) REFERENCES devices (user_nid, device_id) ON DELETE CASCADE
  )${d.clustered}`,
]
