import type { ServerName } from '#core/ids.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { DestinationStore } from '#store/types/destinations.ts'

type Row = { server: string; failing_since_ts: number; failures: number; next_try_ts: number }

export function destinationStore(sql: Sql): DestinationStore {
  return {
    async failing(limit) {
      const rows = await sql.all<Row>('SELECT * FROM failing_destinations ORDER BY next_try_ts DESC LIMIT ?', [limit])
      return rows.map((row) => ({
        server: row.server as ServerName,
        failingSinceTs: row.failing_since_ts,
        failures: row.failures,
        nextTryTs: row.next_try_ts,
      }))
    },

    async putFailing({ server, failingSinceTs, failures, nextTryTs }) {
      await sql.run(
        `INSERT INTO failing_destinations (server, failing_since_ts, failures, next_try_ts) VALUES (?, ?, ?, ?)
         ON CONFLICT (server) DO UPDATE SET failing_since_ts = excluded.failing_since_ts,
           failures = excluded.failures, next_try_ts = excluded.next_try_ts`,
        [server, failingSinceTs, failures, nextTryTs],
      )
    },

    async deleteFailing(server) {
      await sql.run('DELETE FROM failing_destinations WHERE server = ?', [server])
    },

    async deleteFailingBefore(ts) {
      await sql.run('DELETE FROM failing_destinations WHERE next_try_ts < ?', [ts])
    },
  }
}
