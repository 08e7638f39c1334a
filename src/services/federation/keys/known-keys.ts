/** The keys of other servers that we know: in memory, and in the database behind it. */

import type { ServerName } from '#core/ids.ts'
import { isJsonObject, type JsonObject, member } from '#core/json/value.ts'
import type { OwnKeys } from '#services/federation/keys/own-keys.ts'
import { keyRows, type ServerKeys } from '#services/federation/keys/server-keys.ts'
import { lru } from '#store/lru.ts'
import type { Store, StoreLog } from '#store/store.ts'
import type { ServerKeyDocument, ServerKeyRow } from '#store/types/server-keys.ts'

const SERVERS_CACHED_MAX = 10_000
/** Answers of one server that are kept: the newest, and those that alone name former keys. */
export const DOCUMENTS_MAX = 5

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

  /**
   * The last thing that a server said about its keys, and before that what it said of keys that it names no more; newest
   * first.
   */
  documents(server: ServerName): Promise<readonly ServerKeyDocument[]> {
    return this.#deps.store.read((tx) => tx.serverKeys.documents(server))
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
      const before = await tx.serverKeys.documents(server)
      const isOlder = (other: ServerKeyDocument) => other.validUntilTs <= validUntilTs
      const documents = [...before.filter((other) => !isOlder(other)), document, ...before.filter(isOlder)]
      const kept = naming(documents)
      if (documents[0] === document) return tx.serverKeys.put(server, keyRows(keys, now), kept)
      const known = new Set((await tx.serverKeys.keysOf([server])).get(server)?.map(({ keyId }) => keyId))
      const added = keyRows(keys, now).filter(({ keyId }) => !known.has(keyId))
      return tx.serverKeys.put(server, added, kept)
    })
    this.#cache.delete(server)
    if (refused.length > 0) log.warn({ server, keyIds: refused }, 'a server gave known key ids other keys: refused')
  }
}

/** The first of them, and of the others those that name a key which none before them does. */
function naming(documents: readonly ServerKeyDocument[]): ServerKeyDocument[] {
  const named = new Set<string>()
  const kept = documents.filter(({ json }, index) => {
    const more = keyIdsIn(JSON.parse(json) as JsonObject).filter((keyId) => !named.has(keyId))
    for (const keyId of more) named.add(keyId)
    return index === 0 || more.length > 0
  })
  return kept.slice(0, DOCUMENTS_MAX)
}

function keyIdsIn(json: JsonObject): string[] {
  return ['verify_keys', 'old_verify_keys'].flatMap((list) => {
    const keys = member(json, list)
    return isJsonObject(keys) ? Object.keys(keys) : []
  })
}
