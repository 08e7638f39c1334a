/** Requests to other servers: the one way out for everything but a connection check. */
import type { Signer } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { EVENT_DEPTH_MAX } from '#core/json/parse.ts'
import { JSON_KEYS_MAX } from '#core/json/parse-long.ts'
import { parseSparing } from '#core/json/parse-sparing.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { signRequest } from '#core/x-matrix.ts'
import type { BackOff } from '#services/federation/transport/back-off.ts'
import type { FederationMethod, FederationTransport, WireReply } from '#services/federation/transport/transport.ts'
import { inSlices } from '#store/time-slices.ts'

export const TIMEOUT_MS_DEFAULT = 30_000
export const REPLY_BYTES_MAX_DEFAULT = 12.5 * 1024 * 1024
/** Towards one server at one time; further ones fail at once. */
export const REQUESTS_PER_SERVER_MAX = 100

export type FederationRequest = {
  readonly destination: ServerName
  readonly method: FederationMethod
  /** Path with encoded parts and query. */
  readonly uri: string
  readonly body?: JsonObject
  /** For everything, discovery included; 30 s by default. */
  readonly timeoutMs?: number
  /** The longest answer; 12.5 MiB by default. */
  readonly bytesMax?: number
  readonly signal?: AbortSignal
  /** False for what needs no authentication, such as keys. */
  readonly signed?: boolean
  /** Ask although earlier requests failed: where the server itself just showed that it is there, or a user waits for it. */
  readonly evenWhilePaused?: boolean
  /** Leave a successful answer unread (`json` is null): for those too long for the main thread. */
  readonly unread?: boolean
}

export type FederationFailure =
  /** The server answered with an error of its own. `json` holds the further members of its body. */
  | {
      readonly outcome: 'refused'
      readonly status: number
      readonly errcode: string | null
      readonly error: string | null
      readonly json: JsonObject | null
    }
  /** It said yes, but not in JSON that can be relied on. */
  | { readonly outcome: 'malformed'; readonly reason: string }
  | { readonly outcome: 'unreachable'; readonly reason: string }
  /** Nothing was sent. */
  | { readonly outcome: 'backing off'; readonly untilTs: number }
  | { readonly outcome: 'busy' }
  | { readonly outcome: 'timed out' }
  | { readonly outcome: 'too large' }
  | { readonly outcome: 'aborted' }

export type FederationReply =
  /** `json` keeps odd numbers as raw JSON, and has null for entries of its lists that canonical JSON can't hold. */
  | { readonly outcome: 'answered'; readonly status: number; readonly json: JsonValue; readonly bytes: Uint8Array }
  | FederationFailure

type Deps = {
  readonly transport: FederationTransport
  readonly backOff: BackOff
  readonly signer: Signer
}

export class FederationClient {
  readonly backOff: BackOff
  readonly #deps: Deps
  readonly #underWay = new Map<ServerName, number>()

  constructor(deps: Deps) {
    this.#deps = deps
    this.backOff = deps.backOff
  }

  /** Never throws for what the other side does. */
  async request(request: FederationRequest): Promise<FederationReply> {
    const { destination } = request
    const untilTs = this.backOff.pausedUntil(destination)
    if (untilTs !== null && request.evenWhilePaused !== true) return { outcome: 'backing off', untilTs }
    const underWay = this.#underWay.get(destination) ?? 0
    if (underWay >= REQUESTS_PER_SERVER_MAX) return { outcome: 'busy' }
    this.#underWay.set(destination, underWay + 1)
    try {
      const reply = await this.#exchange(request)
      this.#judge(destination, reply)
      return await read(reply, request.unread === true)
    } finally {
      const left = (this.#underWay.get(destination) ?? 1) - 1
      if (left === 0) this.#underWay.delete(destination)
      else this.#underWay.set(destination, left)
    }
  }

  #exchange(request: FederationRequest): Promise<WireReply> {
    const { transport, signer } = this.#deps
    const { destination, method, uri } = request
    const body = request.body === undefined ? null : canonicalJson(request.body)
    const authorization =
      request.signed === false ? null : signRequest({ method, uri, destination, content: body }, signer)
    return transport.exchange({
      destination,
      method,
      uri,
      authorization,
      body,
      timeoutMs: request.timeoutMs ?? TIMEOUT_MS_DEFAULT,
      bytesMax: request.bytesMax ?? REPLY_BYTES_MAX_DEFAULT,
      signal: request.signal ?? null,
    })
  }

  /** A server that says no is there; one that fails, or asks for patience, gets it. */
  #judge(destination: ServerName, reply: WireReply): void {
    if (reply.outcome === 'unreachable' || reply.outcome === 'timed out') this.backOff.failed(destination)
    else if (reply.outcome !== 'answered') return
    else if (reply.status >= 500 || reply.status === 429) this.backOff.failed(destination, reply.retryAfterMs)
    else this.backOff.reset(destination)
  }
}

async function read(reply: WireReply, unread: boolean): Promise<FederationReply> {
  if (reply.outcome !== 'answered') return reply
  const { status, body } = reply
  const isSuccess = status >= 200 && status < 300
  if (isSuccess && unread) return { outcome: 'answered', status, json: null, bytes: body }
  try {
    const { value: json } = await inSlices(parseSparing(body, PARSING))
    return isSuccess ? { outcome: 'answered', status, json, bytes: body } : refused(status, json)
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error
    return isSuccess ? { outcome: 'malformed', reason: error.message } : refused(status, null)
  }
}

/** Of answers, of which some hold the state of a room: so there is no limit on values. */
const PARSING = { depthMax: EVENT_DEPTH_MAX, lossless: true, keysMax: JSON_KEYS_MAX } as const

const TEXT_LENGTH_MAX = 500

function refused(status: number, body: JsonValue): FederationFailure {
  const json = isJsonObject(body) ? body : null
  const text = (key: string) => {
    const value = json === null ? undefined : member(json, key)
    return typeof value === 'string' ? value.slice(0, TEXT_LENGTH_MAX) : null
  }
  return { outcome: 'refused', status, errcode: text('errcode'), error: text('error'), json }
}

/** What went wrong, in words for logs and operators. */
export function failureText(failure: FederationFailure): string {
  switch (failure.outcome) {
    case 'refused':
      return [`status ${failure.status}`, failure.errcode, failure.error].filter((part) => part !== null).join(', ')
    case 'malformed':
    case 'unreachable':
      return failure.reason
    case 'backing off':
      return `not tried again before ${new Date(failure.untilTs).toISOString()}`
    case 'busy':
      return 'too many requests are under way'
    default:
      return failure.outcome
  }
}
