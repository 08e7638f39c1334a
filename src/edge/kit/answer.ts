import { isShortJson, jsonPieces, jsonText } from '#core/json/text.ts'
import { TimeSlice } from '#services/time/time-slice.ts'

/**
 * Answers other than "200 with this JSON". An endpoint returns a plain object for the usual case, and one of these
 * where the specification asks for another status, a page or a redirect.
 */
export class Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Whole, or piece by piece as the client takes them: then nothing can turn it into an error any more. */
  readonly body: string | AsyncIterable<string>

  constructor(status: number, headers: Readonly<Record<string, string>>, body: string | AsyncIterable<string>) {
    this.status = status
    this.headers = headers
    this.body = body
  }
}

const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"

/** JSON with a status of its own, such as the 401 of user-interactive authentication. */
export function json(status: number, body: object): Answer {
  return new Answer(status, { 'content-type': 'application/json' }, jsonText(body))
}

/** 200 with JSON that is made while it is sent. */
export function jsonInPieces(pieces: AsyncIterable<string>): Answer {
  return new Answer(200, { 'content-type': 'application/json' }, pieces)
}

/** The usual answer. A long one is written in pieces, between which others have their turn. */
export function jsonAnswer(body: object): Answer {
  return isShortJson(body) ? json(200, body) : jsonInPieces(slowly(jsonPieces(body)))
}

async function* slowly(pieces: Iterable<string>): AsyncGenerator<string, void, undefined> {
  const timeSlice = new TimeSlice()
  for (const piece of pieces) {
    yield piece
    await timeSlice.yieldIfDue()
  }
}

/**
 * A page for a browser, never cached and never framed. `scriptNonce` allows the inline scripts that carry that nonce;
 * no other script runs.
 */
export function html(text: string, options: { status?: number; scriptNonce?: string } = {}): Answer {
  const script = options.scriptNonce === undefined ? '' : `; script-src 'nonce-${options.scriptNonce}'`
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': PAGE_POLICY + script,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  }
  return new Answer(options.status ?? 200, headers, text)
}

/** Plain text; `contentType` for formats such as that of Prometheus. */
export function text(body: string, options: { status?: number; contentType?: string } = {}): Answer {
  const contentType = options.contentType ?? 'text/plain; charset=utf-8'
  return new Answer(options.status ?? 200, { 'content-type': contentType, 'x-content-type-options': 'nosniff' }, body)
}

/** Sends the browser on. `location` must be ours or checked against a list: never a parameter as it came. */
export function redirect(location: string): Answer {
  return new Answer(302, { location }, '')
}

/** 200 with `{}`, the specification's answer of "done". */
export const empty: Readonly<Record<never, never>> = Object.freeze({})
