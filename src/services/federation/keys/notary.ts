/** Tells other servers of others' keys (server-server API, "Querying Keys Through Another Server"). */
import { type Signer, signJson } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import { CLIENT_DEPTH_MAX, parseJsonText } from '#core/json/parse.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { KeyRing } from '#services/federation/keys/key-ring.ts'
import type { KnownKeys } from '#services/federation/keys/known-keys.ts'
import type { OwnKeys } from '#services/federation/keys/own-keys.ts'
import type { ServerKeyDocument } from '#store/types/server-keys.ts'

/** What servers said formerly is left out of an answer above that. */
const FORMER_BYTES_MAX = 1024 * 1024
/** Servers answered about in one request; the rest is left out. */
export const QUERIED_SERVERS_MAX = 500
/** Of those, servers asked anew for one request; of the others it says what it knows. */
const REFRESHED_SERVERS_MAX = 20

type Deps = {
  readonly signer: Signer
  readonly ownKeys: OwnKeys
  readonly known: KnownKeys
  readonly keyRing: Pick<KeyRing, 'refresh'>
  readonly clock: () => number
}

export class Notary {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * The keys of servers, each signed by the server and by us. A server that has changed keys without naming its old ones
   * is answered about by what it said then too: events are still to be verified with those. `minimums` says until when
   * keys should be valid at least (null: now), `address` who asks. Servers that can't be reached and were never known are left out.
   */
  async query(minimums: ReadonlyMap<ServerName, number | null>, address = ''): Promise<JsonObject[]> {
    const { ownKeys, known, keyRing, signer } = this.#deps
    const asked = [...minimums].slice(0, QUERIED_SERVERS_MAX)
    const others = asked.filter(([server]) => server !== ownKeys.serverName)
    const documents = new Map<ServerName, readonly ServerKeyDocument[]>()
    const load = async (server: ServerName) => {
      documents.set(server, await known.documents(server))
    }
    for (const [server] of others) await load(server)
    const stale = others
      .filter(([server, minimum]) => this.#isStale(documents.get(server)?.[0], minimum))
      .map(([server]) => server)
      .slice(0, REFRESHED_SERVERS_MAX)
    if (stale.length > 0) await keyRing.refresh(stale, address)
    for (const server of stale) await load(server)
    const answers = inOneAnswer([...documents.values()]).map(
      ({ json }) => parseJsonText(json, { depthMax: CLIENT_DEPTH_MAX, lossless: true }) as JsonObject,
    )
    if (minimums.has(ownKeys.serverName)) answers.push(ownKeys.document())
    return answers.map((answer) => signJson(answer, signer))
  }

  /** "Intermediate notary servers should cache a response for half of its lifetime." */
  #isStale(document: ServerKeyDocument | undefined, minimum: number | null): boolean {
    if (document === undefined) return true
    const now = this.#deps.clock()
    const { validUntilTs, fetchedTs } = document
    return validUntilTs < (minimum ?? now) || now > fetchedTs + (validUntilTs - fetchedTs) / 2
  }
}

/** The newest document of each server, then the former ones as far as they fit. */
function inOneAnswer(ofServers: readonly (readonly ServerKeyDocument[])[]): ServerKeyDocument[] {
  let bytes = 0
  const former = ofServers.flatMap((documents) => documents.slice(1))
  return [
    ...ofServers.flatMap((documents) => documents.slice(0, 1)),
    ...former.filter(({ json }) => {
      bytes += json.length
      return bytes <= FORMER_BYTES_MAX
    }),
  ]
}
