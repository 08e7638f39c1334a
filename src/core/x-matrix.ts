/** How servers sign their requests (server-server API, "Request Authentication"). */

import type { Signer } from '#core/event/sign.ts'
import { ID_BYTES_MAX, type ServerName } from '#core/ids.ts'
import { isServerName } from '#core/server-name.ts'

/** What an `Authorization: X-Matrix` header says; nothing of it is proved yet. */
export type XMatrix = {
  readonly origin: ServerName
  /** null where it isn't given: "recipients should accept requests without this parameter". */
  readonly destination: string | null
  /** `ed25519:` and the key's version. */
  readonly keyId: string
  /** As written. */
  readonly signature: string
}

/** A request as its signature sees it. */
export type SignedRequest = {
  readonly method: string
  /** Path and query, exactly as sent. */
  readonly uri: string
  readonly origin: string
  readonly destination: string
  /** The canonical JSON of the body; null where there is none. */
  readonly content: string | null
}

/** Parameters in one header; the specification knows four. */
const PARAMETERS_MAX = 16
const SCHEME = /^x-matrix +/i
const NAME = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
/** RFC 9110's token, and the colon: "the recipient should allow colons to be included in values without quotes". */
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z:-]+/y
/** RFC 9110's quoted-string: tab, space and printable characters, and any of them behind a backslash. */
const QUOTED = /"((?:[\t !#-[\]-~\u0080-\u00ff]|\\[\t -~\u0080-\u00ff])*)"/y
/** "Zero or more spaces and tabs around each comma are allowed"; a list may hold empty elements (RFC 9110, 5.6.1). */
const COMMAS = /[ \t]*(?:,[ \t]*)+/y

/** Reads one header value. null for another scheme, bad grammar, or a parameter that is missing or given twice. */
export function parseXMatrix(header: string): XMatrix | null {
  const scheme = SCHEME.exec(header)
  const parameters = scheme === null ? null : parseParameters(header.slice(scheme[0].length).trimEnd())
  if (parameters === null) return null
  const origin = parameters.get('origin')
  const keyId = parameters.get('key')
  // Its name is `sig` in the header's example and on the wire, `signature` in the list of parameters.
  const signature = parameters.get('sig') ?? parameters.get('signature')
  if (origin === undefined || keyId === undefined || signature === undefined) return null
  if (!isServerName(origin) || keyId.length > ID_BYTES_MAX) return null
  return { origin, destination: parameters.get('destination') ?? null, keyId, signature }
}

function parseParameters(text: string): Map<string, string> | null {
  const parameters = new Map<string, string>()
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match !== null) at += match[0].length
    return match
  }
  take(COMMAS)
  while (at < text.length) {
    const name = take(NAME)?.[0].toLowerCase()
    if (name === undefined || text[at] !== '=') return null
    at += 1
    const quoted = take(QUOTED)?.[1]
    const value = quoted === undefined ? take(TOKEN)?.[0] : unescaped(quoted)
    if (value === undefined || parameters.has(name) || parameters.size === PARAMETERS_MAX) return null
    parameters.set(name, value)
    if (at < text.length && take(COMMAS) === null) return null
  }
  return parameters
}

/** "A backslash-character pair is replaced by the character that follows the backslash." */
function unescaped(quoted: string): string {
  return quoted.replaceAll(/\\(.)/gs, '$1')
}

/** Writes a header value, in the form that older servers read too. */
export function formatXMatrix({ origin, destination, keyId, signature }: XMatrix): string {
  const parameters = [
    `origin=${quote(origin)}`,
    ...(destination === null ? [] : [`destination=${quote(destination)}`]),
    `key=${quote(keyId)}`,
    `sig=${quote(signature)}`,
  ]
  return `X-Matrix ${parameters.join(',')}`
}

function quote(value: string): string {
  return `"${value.replaceAll(/["\\]/g, '\\$&')}"`
}

/** The text that a request's signature covers: the canonical JSON of its parts. */
export function requestText({ method, uri, origin, destination, content }: SignedRequest): string {
  const parts = [
    ...(content === null ? [] : [`"content":${content}`]),
    `"destination":${JSON.stringify(destination)}`,
    `"method":${JSON.stringify(method)}`,
    `"origin":${JSON.stringify(origin)}`,
    `"uri":${JSON.stringify(uri)}`,
  ]
  return `{${parts.join(',')}}`
}

/** The header value with our signature of a request. */
export function signRequest(request: Omit<SignedRequest, 'origin'>, signer: Signer): string {
  const origin = signer.name as ServerName
  const signature = signer.sign(requestText({ ...request, origin }))
  return formatXMatrix({ origin, destination: request.destination, keyId: signer.keyId, signature })
}
