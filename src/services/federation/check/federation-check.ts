/** Walks the way to another server step by step, and says at each what is wrong. */
import type { TLSSocket } from 'node:tls'
import type { Signer } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import { CLIENT_DEPTH_MAX, parseJson } from '#core/json/parse.ts'
import { isJsonObject, type JsonValue, member } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { signRequest } from '#core/x-matrix.ts'
import type { PeerAddress } from '#services/federation/discovery/peer-address.ts'
import type { ServerDiscovery } from '#services/federation/discovery/server-discovery.ts'
import { KEYS_BYTES_MAX, readServerKeys } from '#services/federation/keys/server-keys.ts'
import type { PeerConnections, PeerReply } from '#services/federation/transport/peer-connections.ts'
import { type ConnectionRules, connectTls } from '#services/federation/transport/tls-connection.ts'

const TIMEOUT_MS = 15_000
const LEAST_VALIDITY_MS = 3_600_000

export type CheckStep = {
  /** `well-known`, `srv`, … of discovery, then `tls`, `version`, `keys`, `signed request`. */
  readonly step: string
  readonly ok: boolean
  readonly text: string
}

export type CheckReport = {
  readonly server: string
  /** Whether one of its addresses passed everything. */
  readonly ok: boolean
  readonly steps: readonly CheckStep[]
}

type Deps = {
  readonly discovery: ServerDiscovery
  readonly connections: PeerConnections
  readonly rules: ConnectionRules
  readonly signer: Signer
  readonly userAgent: string
  readonly clock: () => number
}

export class FederationCheck {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Never throws for what the other side does. Pauses after failures don't count here. */
  async run(server: string): Promise<CheckReport> {
    const { discovery } = this.#deps
    const { addresses, steps } = await discovery.discover(server as ServerName)
    const all: CheckStep[] = [...steps]
    let ok = false
    for (const address of addresses) {
      const found = await this.#checkAddress(address, server as ServerName)
      all.push(...found)
      ok ||= found.every((step) => step.ok)
    }
    return { server, ok, steps: all }
  }

  async #checkAddress(address: PeerAddress, server: ServerName): Promise<CheckStep[]> {
    const tls = await this.#checkTls(address)
    if (!tls.ok) return [tls]
    return [
      tls,
      await this.#checkVersion(address),
      await this.#checkKeys(address, server),
      await this.#checkSignedRequest(address, server),
    ]
  }

  #checkTls(address: PeerAddress): Promise<CheckStep> {
    const where = `${address.host}, port ${address.port}`
    return new Promise((resolve) => {
      connectTls(address, this.#deps.rules, (error, socket) => {
        if (socket === null) resolve({ step: 'tls', ok: false, text: `${where}: ${error?.message ?? 'no connection'}` })
        else resolve({ step: 'tls', ok: true, text: `${where}: ${connectionText(socket, address)}` })
        socket?.destroy()
      })
    })
  }

  async #checkVersion(address: PeerAddress): Promise<CheckStep> {
    const step = 'version'
    const reply = await this.#get(address, '/_matrix/federation/v1/version', null)
    if (typeof reply === 'string') return { step, ok: false, text: reply }
    const server = isJsonObject(reply.json) ? member(reply.json, 'server') : undefined
    const [name, version] = ['name', 'version'].map((key) => (isJsonObject(server) ? member(server, key) : undefined))
    if (reply.status !== 200 || typeof name !== 'string') {
      return { step, ok: false, text: `is no homeserver: ${statusText(reply)}` }
    }
    return { step, ok: true, text: `${name.slice(0, 100)} ${String(version ?? '').slice(0, 100)}` }
  }

  async #checkKeys(address: PeerAddress, server: ServerName): Promise<CheckStep> {
    const step = 'keys'
    const reply = await this.#get(address, '/_matrix/key/v2/server', null)
    if (typeof reply === 'string') return { step, ok: false, text: reply }
    if (reply.status !== 200) return { step, ok: false, text: statusText(reply) }
    const keys = readServerKeys(reply.json, server)
    if (typeof keys === 'string') return { step, ok: false, text: `the answer ${keys}` }
    const ids = [...keys.current.keys()].join(', ')
    const leftMs = keys.validUntilTs - this.#deps.clock()
    if (leftMs < 0) return { step, ok: false, text: `${ids}: expired ${dateText(keys.validUntilTs)}` }
    const warning = leftMs < LEAST_VALIDITY_MS ? ' (in less than an hour: is its clock right?)' : ''
    return { step, ok: true, text: `${ids}, valid until ${dateText(keys.validUntilTs)}${warning}` }
  }

  /** Asks for the profile of somebody who need not exist: only the signature matters. */
  async #checkSignedRequest(address: PeerAddress, server: ServerName): Promise<CheckStep> {
    const step = 'signed request'
    const { signer } = this.#deps
    const uri = `/_matrix/federation/v1/query/profile?user_id=${encodeURIComponent(`@hearth-check:${server}`)}`
    const authorization = signRequest({ method: 'GET', uri, destination: server, content: null }, signer)
    const reply = await this.#get(address, uri, authorization)
    if (typeof reply === 'string') return { step, ok: false, text: reply }
    if (reply.status === 401) {
      const text = `it doesn't accept our signature; can it reach the keys of ${signer.name}? (${statusText(reply)})`
      return { step, ok: false, text }
    }
    const ok = reply.status < 500 && reply.status !== 429
    return { step, ok, text: ok ? `accepted (${statusText(reply)})` : statusText(reply) }
  }

  /** A text says why there is no answer. */
  async #get(
    address: PeerAddress,
    path: string,
    authorization: string | null,
  ): Promise<{ status: number; json: JsonValue | undefined } | string> {
    const { connections, userAgent } = this.#deps
    let reply: PeerReply
    try {
      reply = await connections.request(address, {
        method: 'GET',
        path,
        headers: { accept: 'application/json', 'user-agent': userAgent, ...(authorization && { authorization }) },
        body: null,
        bytesMax: KEYS_BYTES_MAX,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        once: true,
      })
    } catch (error) {
      return (error as Error).message
    }
    try {
      return { status: reply.status, json: parseJson(reply.body, { depthMax: CLIENT_DEPTH_MAX }) }
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error
      return { status: reply.status, json: undefined }
    }
  }
}

function connectionText(socket: TLSSocket, { tlsName }: PeerAddress): string {
  const until = socket.getPeerCertificate().valid_to
  return `${socket.remoteAddress} speaks ${socket.getProtocol()}, its certificate names ${tlsName} and ends ${until}`
}

function statusText({ status, json }: { status: number; json: JsonValue | undefined }): string {
  if (json === undefined) return `status ${status}, without JSON`
  const texts = ['errcode', 'error'].map((key) => (isJsonObject(json) ? member(json, key) : undefined))
  return [`status ${status}`, ...texts.filter((text) => typeof text === 'string')].join(', ').slice(0, 300)
}

/** Times may be beyond what a date can hold. */
function dateText(ts: number): string {
  return ts <= 8.64e15 ? new Date(ts).toISOString() : `${ts} ms`
}
