import type { Sql } from '#store/sql/sql.ts'

const made = new WeakMap<Sql, Map<unknown, unknown>>()

/**
 * The one object that `make` makes for a connection, for what several domains use: it may know what the connection's
 * transaction has written so far.
 */
export function perConnection<T>(sql: Sql, make: (sql: Sql) => T): T {
  let objects = made.get(sql)
  if (objects === undefined) {
    objects = new Map()
    made.set(sql, objects)
  }
  if (!objects.has(make)) objects.set(make, make(sql))
  return objects.get(make) as T
}
