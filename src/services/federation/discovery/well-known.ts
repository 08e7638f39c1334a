/** `/.well-known/matrix/server` of other servers: what it says, and for how long. */
import type { ServerName } from '#core/ids.ts'
import { CLIENT_DEPTH_MAX, parseJson } from '#core/json/parse.ts'
import { isJsonObject, type JsonValue, member } from '#core/json/value.ts'
import { isServerName } from '#core/server-name.ts'

/** The answer of a web server after all redirects, or why there is none. */
export type WellKnownReply =
  | {
      readonly status: number
      readonly headers: Readonly<Record<string, string | undefined>>
      readonly body: Uint8Array
    }
  | { readonly failure: string }

/** Gets `https://<hostname>/.well-known/matrix/server`. Never throws. */
export type FetchWellKnown = (hostname: string) => Promise<WellKnownReply>

export type WellKnown = {
  /** To whom the server delegates; null for none. */
  readonly delegate: ServerName | null
  /** Failures in a row. */
  readonly failures: number
  /** Whether what came was broken rather than absent. */
  readonly ok: boolean
  readonly text: string
}

const CACHED_MS_MIN = 300_000
const CACHED_MS_MAX = 48 * 3_600_000
/** "The recommended sensible default is 24 hours." */
const CACHED_MS_DEFAULT = 24 * 3_600_000
/** The default varies by a tenth, so that what was learned at one time isn't forgotten at one time. */
const JITTER = 0.1

/** What a reply says, apart from how long it may be kept. */
export function readWellKnown(reply: WellKnownReply): Omit<WellKnown, 'failures'> {
  if ('failure' in reply) return { delegate: null, ok: false, text: reply.failure }
  if (reply.status === 404) return { delegate: null, ok: true, text: 'there is none (404)' }
  if (reply.status !== 200) return { delegate: null, ok: false, text: `answered with status ${reply.status}` }
  const name = delegateOf(reply.body)
  if (name === null) return { delegate: null, ok: false, text: "is not JSON with an 'm.server' text" }
  if (!isServerName(name)) return { delegate: null, ok: false, text: `'m.server' is no server name: ${quoted(name)}` }
  return { delegate: name, ok: true, text: `delegates to ${name}` }
}

function delegateOf(body: Uint8Array): string | null {
  let json: JsonValue
  try {
    json = parseJson(body, { depthMax: CLIENT_DEPTH_MAX })
  } catch {
    return null
  }
  const name = isJsonObject(json) ? member(json, 'm.server') : undefined
  return typeof name === 'string' ? name : null
}

const quoted = (text: string) => JSON.stringify(text.slice(0, 100))

/**
 * How long a valid answer holds, in ms: as its headers say, within 5 minutes and 48 hours. `random` gives a number from
 * 0 to 1.
 */
export function cachedMs(reply: WellKnownReply, now: number, random: () => number): number {
  const headers = 'headers' in reply ? reply.headers : {}
  const asked = maxAgeMs(headers['cache-control']) ?? expiresMs(headers['expires'], now)
  const ms = asked ?? CACHED_MS_DEFAULT * (1 - JITTER + 2 * JITTER * random())
  return Math.min(Math.max(ms, CACHED_MS_MIN), CACHED_MS_MAX)
}

function maxAgeMs(cacheControl: string | undefined): number | null {
  for (const directive of (cacheControl ?? '').toLowerCase().split(',')) {
    const text = directive.trim()
    if (text === 'no-store' || text === 'no-cache') return 0
    const seconds = /^max-age="?([0-9]{1,12})"?$/.exec(text)?.[1]
    if (seconds !== undefined) return Number(seconds) * 1000
  }
  return null
}

function expiresMs(expires: string | undefined, now: number): number | null {
  if (expires === undefined) return null
  const ts = Date.parse(expires)
  // "A cache recipient MUST interpret invalid date formats … as representing a time in the past" (RFC 9111, 5.3).
  return Number.isNaN(ts) ? 0 : ts - now
}
