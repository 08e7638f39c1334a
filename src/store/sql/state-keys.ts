import { stateMapKey } from '#core/event/event.ts'
import { lru } from '#store/lru.ts'
import { CommittedCache } from '#store/sql/committed-cache.ts'
import { integerList, isStorableText } from '#store/sql/connection.ts'
import { inParts, Pauses } from '#store/sql/pauses.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { StateKeyNid } from '#store/types/state.ts'

export type TypeAndKey = readonly [type: string, stateKey: string]

const KEYS_CACHED_MAX = 50_000
const makeNids = () => lru<string, StateKeyNid>(KEYS_CACHED_MAX)
const makeKeys = () => lru<StateKeyNid, TypeAndKey>(KEYS_CACHED_MAX)

/** The numbers of pairs (type, state key), over one connection: get it by `perConnection(sql, stateKeys)`. */
export class StateKeys {
  readonly #sql: Sql
  readonly #nids: CommittedCache<string, StateKeyNid>
  readonly #keys: CommittedCache<StateKeyNid, TypeAndKey>
  readonly #nidOf
  readonly #keysOf
  readonly #insert

  constructor(sql: Sql) {
    this.#sql = sql
    this.#nids = new CommittedCache<string, StateKeyNid>(sql, sql.shared(makeNids))
    this.#keys = new CommittedCache<StateKeyNid, TypeAndKey>(sql, sql.shared(makeKeys))
    this.#nidOf = sql.prepare((db, p: { type: string; stateKey: string }) =>
      db.selectFrom('state_keys').select('nid').where('type', '=', p.type).where('state_key', '=', p.stateKey),
    )
    this.#keysOf = sql.prepare((db, p: { nids: string }) =>
      db.selectFrom('state_keys').selectAll().where('nid', 'in', sql.integers(p.nids)),
    )
    this.#insert = sql.prepare((db, p: { nid: number; type: string; stateKey: string }) =>
      db.insertInto('state_keys').values({ nid: p.nid, type: p.type, state_key: p.stateKey }),
    )
  }

  /** null when no event ever had it. */
  async nid(type: string, stateKey: string): Promise<StateKeyNid | null> {
    const cached = this.#nids.get(stateMapKey(type, stateKey))
    if (cached !== undefined) return cached
    // Others' events may cite a state key that no event can have.
    if (!isStorableText(type) || !isStorableText(stateKey)) return null
    const row = await this.#nidOf.get({ type, stateKey })
    if (row === undefined) return null
    this.#nids.found(stateMapKey(type, stateKey), row.nid as StateKeyNid)
    return row.nid as StateKeyNid
  }

  /** The number, given on first sight. */
  async intern(type: string, stateKey: string): Promise<StateKeyNid> {
    const known = await this.nid(type, stateKey)
    if (known !== null) return known
    const nid = (await this.#sql.allocate('state_key')) as StateKeyNid
    // Another process may have given a number between the look-up and the lock that `allocate` takes.
    const since = await this.nid(type, stateKey)
    if (since !== null) return since
    await this.#insert.run({ nid, type, stateKey })
    this.#nids.wrote(stateMapKey(type, stateKey), nid)
    this.#keys.wrote(nid, [type, stateKey])
    return nid
  }

  async keys(nids: Iterable<StateKeyNid>): Promise<Map<StateKeyNid, TypeAndKey>> {
    const keys = new Map<StateKeyNid, TypeAndKey>()
    const unknown: StateKeyNid[] = []
    const pauses = new Pauses()
    for (const nid of nids) {
      if (pauses.due()) await pauses.pause()
      const cached = this.#keys.get(nid)
      if (cached === undefined) unknown.push(nid)
      else keys.set(nid, cached)
    }
    if (unknown.length === 0) return keys
    for (const row of await inParts(unknown, (some) => this.#keysOf.all({ nids: integerList(some) }))) {
      const nid = row.nid as StateKeyNid
      const key: TypeAndKey = [row.type, row.state_key]
      this.#keys.found(nid, key)
      keys.set(nid, key)
    }
    return keys
  }
}

export const stateKeys = (sql: Sql) => new StateKeys(sql)
