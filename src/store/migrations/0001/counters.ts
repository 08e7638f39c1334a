import type { DomainTables } from '#store/migrations/ddl.ts'

export const countersTables: DomainTables = (d) => [
  `CREATE TABLE counters (
    id ${d.key} CHECK (id = 1),
    position ${d.int} NOT NULL,
    event ${d.int} NOT NULL,
    state ${d.int} NOT NULL,
    room ${d.int} NOT NULL,
    "user" ${d.int} NOT NULL,
    state_key ${d.int} NOT NULL
  )${d.rows}`,
  'INSERT INTO counters (id, position, event, state, room, "user", state_key) VALUES (1, 0, 0, 0, 0, 0, 0)',
]
