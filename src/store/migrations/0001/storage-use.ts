import type { DomainTables } from '#store/migrations/ddl.ts'
import type { StorageKind } from '#store/types/storage-use.ts'

/** What a row costs besides its texts: ids, keys of indexes, the row's own head. Without it, empty rows would be free. */
const ROW_BYTES = 100

type Counted = {
  readonly table: string
  readonly kind: StorageKind
  /** Whose the row is; a row without a user is nobody's. */
  readonly user: string
  /** The columns whose bytes count. Without, rows are counted. */
  readonly bytesOf?: readonly string[]
}

/**
 * The tables that grow by what users store. Triggers count them in `storage_use`, in the very write that changes them:
 * so no way of writing, deleting or cascading is forgotten, and nothing is ever summed up again.
 */
export const COUNTED_TABLES: readonly Counted[] = [
  { table: 'account_data', kind: 'account_data', user: 'user_nid', bytesOf: ['room_id', 'type', 'content'] },
  { table: 'key_backups', kind: 'key_backup', user: 'user_nid', bytesOf: ['algorithm', 'auth_data'] },
  {
    table: 'key_backup_keys',
    kind: 'key_backup',
    user: 'user_nid',
    bytesOf: ['room_id', 'session_id', 'session_data'],
  },
  { table: 'device_keys', kind: 'encryption_keys', user: 'user_nid', bytesOf: ['device_id', 'keys'] },
  {
    table: 'one_time_keys',
    kind: 'encryption_keys',
    user: 'user_nid',
    bytesOf: ['device_id', 'algorithm', 'key_id', 'key'],
  },
  {
    table: 'fallback_keys',
    kind: 'encryption_keys',
    user: 'user_nid',
    bytesOf: ['device_id', 'algorithm', 'key_id', 'key'],
  },
  { table: 'cross_signing_keys', kind: 'encryption_keys', user: 'user_nid', bytesOf: ['public_key', 'key'] },
  {
    table: 'key_signatures',
    kind: 'encryption_keys',
    user: 'signer_nid',
    bytesOf: ['target_key_id', 'signer_key_id', 'signature'],
  },
  { table: 'dehydrated_devices', kind: 'encryption_keys', user: 'user_nid', bytesOf: ['device_id', 'data'] },
  { table: 'devices', kind: 'devices', user: 'user_nid' },
  { table: 'filters', kind: 'filters', user: 'user_nid', bytesOf: ['content'] },
  { table: 'profile_fields', kind: 'profile', user: 'user_nid', bytesOf: ['field', 'value'] },
  { table: 'receipts', kind: 'receipts', user: 'user_nid' },
  { table: 'room_aliases', kind: 'aliases', user: 'creator_nid' },
  { table: 'to_device_messages', kind: 'to_device', user: 'user_nid', bytesOf: ['device_id', 'event'] },
  { table: 'queued_edus', kind: 'queued_to_device', user: 'sender_nid', bytesOf: ['server', 'edu'] },
]

export const storageUseTables: DomainTables = (d) => [
  `CREATE TABLE storage_use (
    user_nid ${d.int} NOT NULL,
    kind ${d.text} NOT NULL,
    amount ${d.int} NOT NULL,
    PRIMARY KEY (user_nid, kind)
  )${d.clustered}`,
  ...COUNTED_TABLES.flatMap((counted) =>
    d.dialect === 'sqlite' ? sqliteTriggers(counted) : postgresTriggers(counted),
  ),
]

/** What a row counts. `octet_length` reads no more of a long text than its length. */
function weight({ bytesOf }: Counted, prefix = ''): string {
  if (bytesOf === undefined) return '1'
  return [ROW_BYTES, ...bytesOf.map((column) => `COALESCE(octet_length(${prefix}${column}), 0)`)].join(' + ')
}

function sqliteTriggers(counted: Counted): string[] {
  const { table, kind, user, bytesOf } = counted
  const trigger = (event: string, row: 'NEW' | 'OLD', change: string) => `
    CREATE TRIGGER count_${table}_${event.toLowerCase()} AFTER ${event} ON ${table}
    WHEN ${row}.${user} IS NOT NULL BEGIN
      INSERT INTO storage_use (user_nid, kind, amount) VALUES (${row}.${user}, '${kind}', ${change})
      ON CONFLICT (user_nid, kind) DO UPDATE SET amount = amount + excluded.amount;
    END`
  const [added, removed] = [weight(counted, 'NEW.'), weight(counted, 'OLD.')]
  return [
    trigger('INSERT', 'NEW', added),
    trigger('DELETE', 'OLD', `-(${removed})`),
    // Rows don't change hands.
    ...(bytesOf === undefined ? [] : [trigger('UPDATE', 'NEW', `(${added}) - (${removed})`)]),
  ]
}

/** Once a statement, not once a row: a row that one transaction changes ten thousand times grows slower each time. */
function postgresTriggers(counted: Counted): string[] {
  const { table, kind, user, bytesOf } = counted
  const change = (sign: '' | '-', rows: string) =>
    `SELECT ${user} AS user_nid, ${sign}(${weight(counted)}) AS change FROM ${rows} WHERE ${user} IS NOT NULL`
  const trigger = (event: string, tables: string, changes: readonly string[]) => [
    `CREATE FUNCTION count_${table}_${event.toLowerCase()}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO storage_use (user_nid, kind, amount)
      SELECT user_nid, '${kind}', SUM(change)::bigint FROM (${changes.join(' UNION ALL ')}) AS changes
      GROUP BY user_nid HAVING SUM(change) <> 0 ORDER BY user_nid
      ON CONFLICT (user_nid, kind) DO UPDATE SET amount = storage_use.amount + excluded.amount;
      RETURN NULL;
    END $$`,
    `CREATE TRIGGER count_${table}_${event.toLowerCase()} AFTER ${event} ON ${table} REFERENCING ${tables}
     FOR EACH STATEMENT EXECUTE FUNCTION count_${table}_${event.toLowerCase()}()`,
  ]
  const [added, removed] = [change('', 'added'), change('-', 'removed')]
  return [
    ...trigger('INSERT', 'NEW TABLE AS added', [added]),
    ...trigger('DELETE', 'OLD TABLE AS removed', [removed]),
    ...(bytesOf === undefined ? [] : trigger('UPDATE', 'NEW TABLE AS added OLD TABLE AS removed', [added, removed])),
  ]
}
