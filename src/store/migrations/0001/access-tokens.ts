import type { DomainTables } from '#store/migrations/ddl.ts'

export const accessTokensTables: DomainTables = (d) => [
  `CREATE TABLE access_tokens (
    nid ${d.identity},
    user_nid ${d.int} NOT NULL,
    device_id ${d.text} NOT NULL,
    access_hash ${d.text} NOT NULL UNIQUE,
    refresh_hash ${d.text} UNIQUE,
    parent_nid ${d.int},
    expires_ts ${d.int},
    used ${d.int} NOT NULL,
    spent ${d.int} NOT NULL,
    created_ts ${d.int} NOT NULL,
    FOREIGN KEY (user_nid, device_id) REFERENCES devices (user_nid, device_id) ON DELETE CASCADE
  )${d.rows}`,
  'CREATE INDEX access_tokens_device ON access_tokens (user_nid, device_id)',
  'CREATE INDEX access_tokens_parent ON access_tokens (parent_nid)',
]
