import type { DomainTables } from '#store/migrations/ddl.ts'

export const keyBackupsTables: DomainTables = (d) => [
  `CREATE TABLE key_backups (
    user_nid ${d.int} NOT NULL REFERENCES users (nid),
    version ${d.int} NOT NULL,
    algorithm ${d.text} NOT NULL,
    auth_data ${d.text} NOT NULL,
    etag ${d.int} NOT NULL,
    key_count ${d.int} NOT NULL,
    deleted ${d.int} NOT NULL,
    PRIMARY KEY (user_nid, version)
  )${d.clustered}`,
  `CREATE TABLE key_backup_keys (
    user_nid ${d.int} NOT NULL,
    version ${d.int} NOT NULL,
    room_id ${d.text} NOT NULL,
    session_id ${d.text} NOT NULL,
    is_verified ${d.int} NOT NULL,
    first_message_index ${d.int} NOT NULL,
    forwarded_count ${d.int} NOT NULL,
    session_data ${d.text} NOT NULL,
    PRIMARY KEY (user_nid, version, room_id, session_id),
    FOREIGN KEY (user_nid, version) REFERENCES key_backups (user_nid, version) ON DELETE CASCADE
  )${d.clustered}`,
]
