import type { Session } from '#store/sql/session.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { Tx } from '#store/store.ts'

/** What makes each domain: one line a domain. */
const DOMAINS: { [Name in Exclude<keyof Tx, 'position'>]?: (sql: Sql) => Tx[Name] } = {}

/** The `tx` of all transactions of one connection. A domain is made when it is first asked for. */
export function transactionOver(session: Session): Tx {
  const tx = { position: () => session.position() }
  for (const [name, make] of Object.entries(DOMAINS)) {
    let domain: unknown
    Object.defineProperty(tx, name, {
      enumerable: true,
      get() {
        domain ??= make(session)
        return domain
      },
    })
  }
  return tx as Tx
}
