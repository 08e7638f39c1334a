/** A small homeserver over HTTPS that does whatever a test says: any answer, any event, any request, signed with its own key. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer, request as httpsRequest, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { encodeBase64 } from '#core/crypto.ts'
import { type Signer, signerFromSeed, signJson } from '#core/event/sign.ts'
import type { ServerName, UserId } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { EVENT_DEPTH_MAX, parseJson } from '#core/json/parse.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import type { Certificate, TestCa } from '#test/federation/harness/test-ca.ts'

const DAY_MS = 86_400_000
const F1 = '/_matrix/federation/v1'

/** A request that came in. */
export type Asked = {
  readonly method: string
  /** Path and query, as sent. */
  readonly uri: string
  /** The path's parts, decoded. */
  readonly path: readonly string[]
  readonly query: URLSearchParams
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
  readonly body: any
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
export type Reply = { readonly status: number; readonly body: any }
type Handler = (asked: Asked) => Reply | Promise<Reply>

/** Whom it sends to. */
export type Target = { readonly serverName: string; readonly federationAddress: string }

/** Where a request differs from an honest one. */
export type Disguise = {
  readonly origin?: string
  readonly destination?: string
  readonly signer?: Signer
  /** The whole `Authorization` header; null for none. */
  readonly authorization?: string | null
}

export type SaidOfKeys = {
  readonly validUntilTs?: number
  /** Former keys, and when they went out of use. */
  readonly old?: readonly (readonly [signer: Signer, expiredTs: number])[]
}

/** JSON; or text and bytes, which are sent as they are. */
export type RequestBody = JsonValue | string | Uint8Array

export class HostileServer implements AsyncDisposable {
  readonly serverName: ServerName
  readonly signer: Signer
  /** What came in, oldest first, but for the requests of its keys. */
  readonly asked: Asked[] = []
  /** What it says of its keys besides the one that it signs with. */
  keys: SaidOfKeys = {}
  readonly #ca: TestCa
  /** For tests that look below its answers. */
  readonly https: Server
  /** Takes requests instead of the handlers, all but those of keys. */
  misbehaves: ((request: IncomingMessage, response: ServerResponse) => void) | null = null
  readonly #handlers: { readonly method: string; readonly pattern: string; readonly handle: Handler }[] = []
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 })
  #transactions = 0

  private constructor(serverName: string, ca: TestCa, files = ca.issue(serverName)) {
    this.serverName = serverName as ServerName
    this.signer = signerFromSeed(serverName, 'a_1', randomBytes(32))
    this.#ca = ca
    const { certFile, keyFile } = files
    this.https = createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, (request, response) => {
      const isOfKeys = request.url?.startsWith('/_matrix/key/') === true
      if (this.misbehaves !== null && !isOfKeys) return this.misbehaves(request, response)
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', async () => {
        const text = Buffer.concat(chunks).toString()
        const { status, body } = await this.#answer(request.method ?? '', request.url ?? '', text)
        response.writeHead(status, { 'content-type': 'application/json' })
        response.end(typeof body === 'string' ? body : jsonText(body))
      })
    })
  }

  /** `files` are a certificate that several may share. */
  static async start(serverName: string, ca: TestCa, files?: Certificate): Promise<HostileServer> {
    const hostile = new HostileServer(serverName, ca, files)
    hostile.https.listen(0, '127.0.0.1')
    await once(hostile.https, 'listening')
    return hostile
  }

  get federationAddress(): string {
    return `127.0.0.1:${(this.https.address() as AddressInfo).port}`
  }

  user(localpart: string): UserId {
    return `@${localpart}:${this.serverName}` as UserId
  }

  /** Answers requests whose path below `/_matrix/federation` begins so; the newest handler that fits is asked. */
  on(method: string, pattern: string, handle: Handler): void {
    this.#handlers.unshift({ method, pattern, handle })
  }

  /** The requests so far whose path below `/_matrix/federation` begins so. */
  askedFor(pattern: string): Asked[] {
    return this.asked.filter(({ uri }) => uri.startsWith(`/_matrix/federation${pattern}`))
  }

  /** One signed request. */
  request(target: Target, method: string, uri: string, body?: RequestBody, disguise: Disguise = {}): Promise<Reply> {
    const bytes =
      body instanceof Uint8Array
        ? body
        : Buffer.from(body === undefined ? '' : typeof body === 'string' ? body : jsonText(body))
    const authorization = disguise.authorization ?? this.authorization(target, method, uri, bytes, disguise)
    const [host, port] = target.federationAddress.split(':') as [string, string]
    return new Promise((resolve, reject) => {
      const request = httpsRequest({
        host,
        port,
        servername: target.serverName,
        method,
        path: uri,
        ca: this.#ca.cert,
        agent: this.#agent,
        headers: {
          host: target.serverName,
          'content-type': 'application/json',
          ...(disguise.authorization === null ? {} : { authorization }),
        },
      })
      request.once('error', reject)
      request.once('response', (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, body: readJson(Buffer.concat(chunks).toString()) })
        })
      })
      request.end(bytes)
    })
  }

  get(target: Target, uri: string, disguise: Disguise = {}): Promise<Reply> {
    return this.request(target, 'GET', uri, undefined, disguise)
  }

  put(target: Target, uri: string, body: JsonValue, disguise: Disguise = {}): Promise<Reply> {
    return this.request(target, 'PUT', uri, body, disguise)
  }

  /** One transaction. */
  send(
    target: Target,
    pdus: readonly JsonObject[],
    edus: readonly JsonObject[] = [],
    disguise: Disguise = {},
  ): Promise<Reply> {
    this.#transactions += 1
    const body = { origin: disguise.origin ?? this.serverName, origin_server_ts: Date.now(), pdus, edus }
    return this.put(target, `${F1}/send/t${this.#transactions}`, body as unknown as JsonValue, disguise)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy()
    this.https.closeAllConnections()
    await new Promise((resolve) => this.https.close(resolve))
  }

  /** The header that proves a request to be of this server. */
  authorization(
    target: Target,
    method: string,
    uri: string,
    bytes: Uint8Array = Buffer.of(),
    disguise: Disguise = {},
  ): string {
    const signer = disguise.signer ?? this.signer
    const origin = disguise.origin ?? this.serverName
    const destination = disguise.destination ?? target.serverName
    const content = signedContent(bytes)
    const text = canonicalJson({ method, uri, origin, destination, ...(content === undefined ? {} : { content }) })
    const parameters = { origin, destination, key: signer.keyId, sig: signer.sign(text) }
    return `X-Matrix ${Object.entries(parameters)
      .map(([name, value]) => `${name}="${value}"`)
      .join(',')}`
  }

  async #answer(method: string, uri: string, text: string): Promise<Reply> {
    const url = new URL(uri, 'https://x')
    if (url.pathname.startsWith('/_matrix/key/v2/server')) return { status: 200, body: this.#keys() }
    const path = url.pathname.split('/').slice(3).map(decodeURIComponent)
    const asked = { method, uri, path, query: url.searchParams, body: text === '' ? null : readJson(text) }
    this.asked.push(asked)
    const handler = this.#handlers.find((one) => {
      return one.method === method && uri.startsWith(`/_matrix/federation${one.pattern}`)
    })
    return (await handler?.handle(asked)) ?? { status: 404, body: { errcode: 'M_UNRECOGNIZED', error: 'No handler' } }
  }

  #keys(): JsonObject {
    const { keyId, publicKey } = this.signer
    const json = {
      server_name: this.serverName,
      valid_until_ts: this.keys.validUntilTs ?? Date.now() + DAY_MS,
      verify_keys: { [keyId]: { key: encodeBase64(publicKey) } },
      old_verify_keys: Object.fromEntries(
        (this.keys.old ?? []).map(([old, expired_ts]) => [old.keyId, { key: encodeBase64(old.publicKey), expired_ts }]),
      ),
    }
    return signJson(json, this.signer)
  }
}

/** JSON.stringify for what may nest deeper than the stack. */
function jsonText(value: JsonValue): string {
  try {
    return JSON.stringify(value)
  } catch {
    return canonicalJson(value)
  }
}

/** What the signature covers of a body; nothing where it is no JSON that could be signed. */
function signedContent(bytes: Uint8Array): JsonValue | undefined {
  try {
    return bytes.length === 0 ? undefined : parseJson(bytes, { depthMax: EVENT_DEPTH_MAX, lossless: true })
  } catch {
    // As other servers read it: the last of equal keys counts.
    return asObject(readJson(Buffer.from(bytes).toString()))
  }
}

function asObject(value: JsonValue): JsonValue | undefined {
  return typeof value === 'object' ? value : undefined
}

// biome-ignore lint/suspicious/noExplicitAny: answers are whatever was sent
function readJson(text: string): any {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
