/** Another homeserver that a test speaks for, without a socket of its own. */
import { encodeBase64 } from '#core/crypto.ts'
import { type Signer, signerFromSeed, signJson } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { signRequest } from '#core/x-matrix.ts'
import type { FederationTransport, WireReply, WireRequest } from '#services/federation/transport/transport.ts'
import type { Hearth, Reply } from '#test/harness/hearth.ts'

const DAY_MS = 86_400_000

export class Peer {
  readonly name: ServerName
  readonly signer: Signer
  /** What it was asked, `METHOD uri`, oldest first; requests of its keys aside. */
  readonly asked: string[] = []
  readonly #answers = new Map<string, { readonly status: number; readonly json: JsonValue }>()

  constructor(name: string) {
    this.name = name as ServerName
    this.signer = signerFromSeed(name, 'a_1', new Uint8Array(32).fill(name.length))
  }

  /** What it answers to requests whose path (below `/_matrix/federation`, decoded) is this one. */
  answer(path: string, json: JsonValue, status = 200): void {
    this.#answers.set(path, { status, json })
  }

  /** A request of this server over HTTP, signed. */
  request(hearth: Hearth, method: string, uri: string, body?: JsonObject): Promise<Reply> {
    const content = body === undefined ? null : canonicalJson(body)
    const authorization = signRequest({ method, uri, destination: 'hearth.example', content }, this.signer)
    return hearth.request(method, uri, { headers: { authorization }, ...(body !== undefined && { body }) })
  }

  /** Takes what is sent to it. */
  receive({ method, uri }: WireRequest): WireReply {
    if (uri.startsWith('/_matrix/key/v2/server')) return answered(200, this.#keys())
    this.asked.push(`${method} ${uri}`)
    const path = decodeURIComponent(uri.replace('/_matrix/federation', '').replace(/\?.*$/, ''))
    const answer = this.#answers.get(path)
    return answer === undefined
      ? answered(404, { errcode: 'M_NOT_FOUND', error: 'No answer' })
      : answered(answer.status, answer.json)
  }

  #keys(): JsonObject {
    const json = {
      server_name: this.name,
      valid_until_ts: 1_700_000_000_000 + DAY_MS,
      verify_keys: { [this.signer.keyId]: { key: encodeBase64(this.signer.publicKey) } },
      old_verify_keys: {},
    }
    return signJson(json, this.signer)
  }
}

/** A network of these servers and no others. */
export function networkOf(...peers: readonly Peer[]): FederationTransport {
  return {
    async exchange(request) {
      const peer = peers.find(({ name }) => name === request.destination)
      return peer?.receive(request) ?? { outcome: 'unreachable', reason: 'no such server' }
    },
  }
}

function answered(status: number, json: JsonValue): WireReply {
  return { outcome: 'answered', status, retryAfterMs: null, body: Buffer.from(JSON.stringify(json)) }
}
