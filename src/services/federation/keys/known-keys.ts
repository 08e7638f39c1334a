/** The keys of other servers that we know: in memory, and in the database behind it. */

import type { ServerName } from '#core/ids.ts'
import type { OwnKeys } from '#services/federation/keys/own-keys.ts'
import { keyRows, type ServerKeys } from '#services/federation/keys/server-keys.ts'
import { lru } from '#store/lru.ts'
import type { Store, StoreLog } from '#store/store.ts'
import type { ServerKeyDocument, ServerKeyRow } from '#store/types/server-keys.ts'

const SERVERS_CACHED_MAX = 10_000

type Deps = {
  readonly store: Store
  readonly ownKeys: OwnKeys
  readonly clock: () => number
  readonly log: StoreLog
}

export class KnownKeys {
  readonly #deps: Deps
  readonly #cache = lru<ServerName, readonly ServerKeyRow[]>(SERVERS_CACHED_MAX)

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** The keys of several servers, our own included; those of servers without any are empty. */
  async of(servers: Iterable<ServerName>): Promise<Map<ServerName, readonly ServerKeyRow[]>> {
    const { store, ownKeys } = this.#deps
    const found = new Map<ServerName, readonly ServerKeyRow[]>()
    const absent: ServerName[] = []
    for (const server of servers) {
      const rows = server === ownKeys.serverName ? ownKeys.rows() : this.#cache.get(server)
      if (rows === undefined) absent.push(server)
      else found.set(server, rows)
    }
    if (absent.length === 0) return found
    const stored = await store.read((tx) => tx.serverKeys.keysOf(absent))
    for (const server of absent) {
      const rows = stored.get(server) ?? []
      found.set(server, rows)
      if (rows.length > 0) this.#cache.set(server, rows)
    }
    return found
  }

  /** The last thing that a server said about its keys. */
  document(server: ServerName): Promise<ServerKeyDocument | null> {
    return this.#deps.store.read((tx) => tx.serverKeys.document(server))
  }

  /**
   * Believes what a server says of its keys. Where that is older than what it said before, as a notary's answer may
   * be, only keys that weren't known are added.
   */
  async learn(keys: ServerKeys): Promise<void> {
    const { store, clock, log, ownKeys } = this.#deps
    const { server, validUntilTs } = keys
    if (server === ownKeys.serverName) return
    const now = clock()
    const document = { json: JSON.stringify(keys.json), validUntilTs, fetchedTs: now }
    const refused = await store.write(async (tx) => {
      const before = await tx.serverKeys.document(server)
      if (before === null || before.validUntilTs <= validUntilTs) {
        return tx.serverKeys.put(server, keyRows(keys, now), document)
      }
      const known = new Set((await tx.serverKeys.keysOf([server])).get(server)?.map(({ keyId }) => keyId))
      const added = keyRows(keys, now).filter(({ keyId }) => !known.has(keyId))
      return tx.serverKeys.put(server, added, before)
    })
    this.#cache.delete(server)
    if (refused.length > 0) log.warn({ server, keyIds: refused }, 'a server gave known key ids other keys: refused')
  }
}
