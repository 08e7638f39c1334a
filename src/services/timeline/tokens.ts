/**
 * The tokens that clients carry: opaque to them, typed and versioned for us.
 *
 * - `s1_<position>_<epoch>_<sequence>`: a place in the log, as `/sync` gives it, with a second number for what is never
 *   stored (typing, presence) and the epoch of the process that counted it. `_<position>` follows where more messages to
 *   the device waited than the answer held: the last of those that it did.
 * - `t1_<rank>`: a place in one room's timeline, as `/messages`, `/context` and `prev_batch` give it: just after the
 *   event of that rank.
 *
 * Every endpoint that takes a token takes both kinds (`parseToken`), or turns the second into the first
 * (`parseStreamToken`).
 */
import { invalidParam } from '#core/matrix-error.ts'

export type StreamToken = {
  readonly kind: 'stream'
  readonly position: number
  /** What is never stored: which process counted, and how far. A foreign epoch means "send everything current". */
  readonly epoch: string
  readonly sequence: number
  /** Messages to the device have been given up to this position; without it, up to `position`. */
  readonly toDevice?: number
}
export type TimelineToken = { readonly kind: 'timeline'; readonly rank: number }
export type Token = StreamToken | TimelineToken

/** A place that nobody has been at: ahead of every log, and of no process's counting. */
const UNKNOWN_PLACE: StreamToken = { kind: 'stream', position: Number.MAX_SAFE_INTEGER, epoch: '', sequence: 0 }

/** Fifteen digits always stay exact. */
const STREAM = /^s1_(\d{1,15})_([0-9a-z]{1,16})_(\d{1,15})(?:_(\d{1,15}))?$/
/** Ranks of backfilled history run below zero, and each gap leaves many free: they may need all of the digits there are. */
const TIMELINE = /^t1_(-?\d{1,16})$/

export function formatToken(token: Token): string {
  if (token.kind === 'timeline') return `t1_${token.rank}`
  const { position, epoch, sequence, toDevice } = token
  return `s1_${position}_${epoch}_${sequence}${toDevice === undefined ? '' : `_${toDevice}`}`
}

/** @throws M_INVALID_PARAM for anything that this server never gave out. */
export function parseToken(text: string): Token {
  const stream = STREAM.exec(text)
  if (stream !== null) {
    const [, position, epoch = '', sequence, toDevice] = stream
    const token = { kind: 'stream', position: Number(position), epoch, sequence: Number(sequence) } as const
    return toDevice === undefined ? token : { ...token, toDevice: Number(toDevice) }
  }
  const timeline = TIMELINE.exec(text)
  const rank = Number(timeline?.[1])
  if (Number.isSafeInteger(rank)) return { kind: 'timeline', rank }
  throw invalidParam(`"${text.slice(0, 64)}" is not a token of this server`)
}

/**
 * A place in the log, for endpoints that are about more than one room. A place in one room's timeline says nothing about
 * the others, so it becomes one that nobody has been at: as with a token from ahead of the database (after it was
 * restored from a backup), what the client knows is unknown, and the answer is complete.
 *
 * @throws M_INVALID_PARAM for anything that this server never gave out
 */
export function parseStreamToken(text: string): StreamToken {
  const token = parseToken(text)
  return token.kind === 'stream' ? token : UNKNOWN_PLACE
}
