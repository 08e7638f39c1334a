import type { DomainTables } from '#store/migrations/ddl.ts'

export const stateTables: DomainTables = (d) => [
  `CREATE TABLE state_rows (
    id ${d.key},
    room ${d.int} NOT NULL,
    data ${d.bytes} NOT NULL
  )${d.rows}`,
  // Deleting a room is by room.
  'CREATE INDEX state_rows_room ON state_rows (room)',
]
