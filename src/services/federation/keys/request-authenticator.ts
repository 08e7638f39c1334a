/** Finds out which server a request came from (server-server API, "Request Authentication"). */
import { verifyText } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import type { JsonValue } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { parseXMatrix, requestText, type XMatrix } from '#core/x-matrix.ts'
import type { KeyRing } from '#services/federation/keys/key-ring.ts'
import type { BackOff } from '#services/federation/transport/back-off.ts'
import { Pacer } from '#services/pacer.ts'

/** Signatures looked at in one request: a server signs with each of its keys. */
const HEADERS_MAX = 10

/** A request as it came. */
export type IncomingRequest = {
  readonly method: string
  /** Path and query as sent. */
  readonly uri: string
  /** Each `Authorization` header. */
  readonly authorization: readonly string[]
  /** Parses the body, once it is worth it; undefined for none. May throw. */
  content(): JsonValue | undefined
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
   * The server that signed a request; from then on we try to reach it again, whatever failed before.
   *
   * @throws M_UNAUTHORIZED, and what `content` throws
   */
  async authenticate(request: IncomingRequest): Promise<ServerName> {
    const { keyRing, backOff, serverName } = this.#deps
    const headers = this.#headers(request.authorization)
    const { origin } = headers[0]
    const signatures = Object.fromEntries(headers.map(({ keyId, signature }) => [keyId, signature]))
    const keys = await keyRing.requestKeys(origin, Object.keys(signatures))
    if (!Object.keys(signatures).some((keyId) => keys.has(keyId))) {
      throw unauthorized(`No key of ${origin} is known that signed the request`)
    }
    // Many may ask at once; what they send takes a while to read and to check.
    await new Pacer().breathe()
    const content = request.content()
    const text = requestText({
      method: request.method,
      uri: request.uri,
      origin,
      // The signature covers a destination even where the header has none.
      destination: serverName,
      content: content === undefined ? null : canonicalJson(content),
    })
    const verdict = verifyText(text, { [origin]: signatures }, origin, (keyId) => keys.get(keyId))
    if (verdict !== 'valid') throw unauthorized(`The request is not validly signed by ${origin}`)
    backOff.reset(origin)
    return origin
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
