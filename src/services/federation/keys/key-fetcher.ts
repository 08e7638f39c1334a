/** Asks for keys over the network: servers for their own, notaries for those of others. */
import { verifyJson } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import { isJsonObject, type JsonArray, member } from '#core/json/value.ts'
import { KEYS_BYTES_MAX, readServerKeys, type ServerKeys } from '#services/federation/keys/server-keys.ts'
import { type FederationClient, failureText } from '#services/federation/transport/federation-client.ts'

const TIMEOUT_MS = 10_000
const NOTARY_TIMEOUT_MS = 20_000
/** Servers in one question to a notary. */
export const NOTARY_SERVERS_MAX = 100
/** Documents in its answer: there may be former ones of a server. */
const NOTARY_ANSWERS_MAX = 500

/** What is asked of a notary: the keys, and until when they should be valid (ms). */
export type NotaryQuestion = ReadonlyMap<ServerName, { readonly keyIds: readonly string[]; readonly untilTs: number }>

export class KeyFetcher {
  readonly #client: FederationClient

  constructor(client: FederationClient) {
    this.#client = client
  }

  /** Asks a server for its own keys; a text says why there are none. */
  async direct(server: ServerName, evenWhilePaused: boolean): Promise<ServerKeys | string> {
    const reply = await this.#client.request({
      destination: server,
      method: 'GET',
      uri: '/_matrix/key/v2/server',
      signed: false,
      timeoutMs: TIMEOUT_MS,
      bytesMax: KEYS_BYTES_MAX,
      evenWhilePaused,
    })
    return reply.outcome === 'answered' ? readServerKeys(reply.json, server) : failureText(reply)
  }

  /** Asks a notary whose current keys are `notaryKeys`. Answers without its and the servers' own signatures are dropped. */
  async notary(
    notary: ServerName,
    notaryKeys: ReadonlyMap<string, Uint8Array>,
    question: NotaryQuestion,
    signal: AbortSignal | null,
  ): Promise<ServerKeys[]> {
    const asked = [...question].slice(0, NOTARY_SERVERS_MAX)
    const criteria = asked.map(([server, { keyIds, untilTs }]) => [
      server,
      Object.fromEntries(keyIds.map((keyId) => [keyId, { minimum_valid_until_ts: untilTs }])),
    ])
    const reply = await this.#client.request({
      destination: notary,
      method: 'POST',
      uri: '/_matrix/key/v2/query',
      body: { server_keys: Object.fromEntries(criteria) },
      timeoutMs: NOTARY_TIMEOUT_MS,
      bytesMax: KEYS_BYTES_MAX * (asked.length + 1),
      ...(signal !== null && { signal }),
    })
    if (reply.outcome !== 'answered' || !isJsonObject(reply.json)) return []
    const list = member(reply.json, 'server_keys')
    const answers: JsonArray = Array.isArray(list) ? list.slice(0, NOTARY_ANSWERS_MAX) : []
    return answers.flatMap((answer) => {
      const name = isJsonObject(answer) ? member(answer, 'server_name') : undefined
      const server = asked.find(([server]) => server === name)?.[0]
      if (server === undefined || !isJsonObject(answer)) return []
      if (verifyJson(answer, notary, (keyId) => notaryKeys.get(keyId)) !== 'valid') return []
      const keys = readServerKeys(answer, server)
      return typeof keys === 'string' ? [] : [keys]
    })
  }
}
