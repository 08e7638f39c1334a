/** Finds out which server a request came from (server-server API, "Request Authentication"). */
import { ed25519VerifyAside } from '#core/crypto.ts'
import { type KeyLookup, signatureChecks, verifyText } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import { canonicalSlices } from '#core/json/canonical.ts'
import { decodeJson, EVENT_DEPTH_MAX } from '#core/json/parse.ts'
import { JSON_KEYS_MAX, JSON_VALUES_PER_MIB_MAX } from '#core/json/parse-long.ts'
import { parseSparing, type SparedJson } from '#core/json/parse-sparing.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { parseXMatrix, requestText, type XMatrix } from '#core/x-matrix.ts'
import type { KeyRing } from '#services/federation/keys/key-ring.ts'
import type { BackOff } from '#services/federation/transport/back-off.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import { inSlices } from '#store/time-slices.ts'

/** Hashing a longer text takes more than a millisecond. */
const SHORT_TEXT_CHARACTERS = 256 * 1024
/** Signatures looked at in one request: a server signs with each of its keys. */
const HEADERS_MAX = 10

/** Of the largest body. */
const VALUES_MAX = 12.5 * JSON_VALUES_PER_MIB_MAX
const PARSING = {
  depthMax: EVENT_DEPTH_MAX,
  lossless: true,
  valuesMax: VALUES_MAX,
  keysMax: JSON_KEYS_MAX,
  stringBytesMax: 1024 * 1024,
} as const

/** A request as it came. */
export type IncomingRequest = {
  readonly method: string
  /** Path and query as sent. */
  readonly uri: string
  /** Each `Authorization` header. */
  readonly authorization: readonly string[]
  /** Whom to count it against as long as nobody has proved that it is theirs. */
  readonly address: string
  /** Reads the body, which takes memory: only for whom the header speaks. */
  readBody(): Promise<Uint8Array>
}

/** A request that came from whom it says. */
export type AuthenticatedRequest = {
  readonly origin: ServerName
  /** undefined for no body */
  readonly content: JsonValue | undefined
}

type Deps = {
  readonly serverName: ServerName
  readonly keyRing: Pick<KeyRing, 'requestKeys'>
  readonly backOff: Pick<BackOff, 'reset'>
}

const unauthorized = (message: string) => new MatrixError('M_UNAUTHORIZED', message)

export class RequestAuthenticator {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * The server that signed a request; from then on we try to reach it again, whatever failed before. The body isn't
   * read before the header is in order and its key known.
   *
   * @throws M_UNAUTHORIZED; M_LIMIT_EXCEEDED where too many unknown servers speak at once; M_NOT_JSON or M_BAD_JSON for the body
   */
  async authenticate(request: IncomingRequest): Promise<AuthenticatedRequest> {
    const { keyRing, backOff, serverName } = this.#deps
    const headers = this.#headers(request.authorization)
    const { origin } = headers[0]
    const signatures = Object.fromEntries(headers.map(({ keyId, signature }) => [keyId, signature]))
    const keys = await keyRing.requestKeys(origin, Object.keys(signatures), request.address)
    if (!Object.keys(signatures).some((keyId) => keys.has(keyId))) {
      throw unauthorized(`No key of ${origin} is known that signed the request`)
    }
    const body = await request.readBody()
    // Many may ask at once; what they send takes a while to read and to check.
    const timeSlice = new TimeSlice()
    await timeSlice.yieldIfDue()
    const { method, uri } = request
    const content = body.length === 0 ? undefined : await inSlices(parseSparing(body, PARSING))
    for await (const signed of signedForms(body, content)) {
      await timeSlice.yieldIfDue()
      // The signature covers a destination even where the header has none.
      const text = requestText({ method, uri, origin, destination: serverName, content: signed })
      if (!(await isSigned(text, { [origin]: signatures }, origin, (keyId) => keys.get(keyId)))) continue
      backOff.reset(origin)
      return { origin, content: content?.value }
    }
    throw unauthorized(`The request is not validly signed by ${origin}`)
  }

  #headers(values: readonly string[]): readonly [XMatrix, ...XMatrix[]] {
    if (values.length === 0) throw unauthorized('The request has no Authorization header')
    const [first, ...others] = values.slice(0, HEADERS_MAX).map((value) => parseXMatrix(value))
    if (first === undefined || first === null)
      throw unauthorized('The Authorization header is not in the form of X-Matrix')
    const same = others.filter((header) => header !== null && header.origin === first.origin) as XMatrix[]
    if (same.length < others.length) throw unauthorized('The Authorization headers contradict each other')
    const { serverName } = this.#deps
    for (const { destination } of [first, ...same]) {
      // "If this property is included, but the value does not match the receiving server's name, the receiving server
      // must deny the request."
      if (destination !== null && destination !== serverName) {
        throw unauthorized(`The request is for ${destination.slice(0, 300)}, this is ${serverName}`)
      }
    }
    if (first.origin === serverName) throw unauthorized('This server sends no requests to itself')
    return [first, ...same]
  }
}

/**
 * The texts that a sender may have signed as its body, null for none. A body with events in it that canonical JSON can't
 * hold has no canonical form: some write what most parsers read in it, others what they send.
 */
async function* signedForms(body: Uint8Array, content: SparedJson | undefined): AsyncGenerator<string | null> {
  if (content === undefined) {
    yield null
    return
  }
  const isFlawed = content.value !== content.asMostRead
  try {
    yield await inSlices(canonicalSlices(content.asMostRead))
  } catch (error) {
    if (!isFlawed || !(error instanceof MatrixError)) throw error
  }
  if (isFlawed) yield decodeJson(body)
}

/** Long texts are checked on another thread. */
async function isSigned(text: string, signatures: JsonObject, origin: ServerName, keys: KeyLookup): Promise<boolean> {
  if (text.length <= SHORT_TEXT_CHARACTERS) return verifyText(text, signatures, origin, keys) === 'valid'
  const checks = signatureChecks(signatures, origin, keys)
  if (typeof checks === 'string') return false
  const bytes = Buffer.from(text)
  for (const { signature, key } of checks) {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    ed25519VerifyAside(bytes, signature, key, resolve)
    if (!(await promise)) return false
  }
  return true
}
