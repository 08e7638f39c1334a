/**
 * The tokens that clients carry: opaque to them, typed and versioned for us.
 *
 * - `s1_<position>_<epoch>_<sequence>`: a place in the log, as `/sync` gives it, with a second number for what is never
 *   stored (typing, presence) and the epoch of the process that counted it.
 * - `t1_<rank>`: a place in one room's timeline, as `/messages`, `/context` and `prev_batch` give it: just after the
 *   event of that rank.
 *
 * Every endpoint that takes a token takes both kinds.
 */
import { invalidParam } from '#core/matrix-error.ts'

export type StreamToken = {
  readonly kind: 'stream'
  readonly position: number
  /** What is never stored: which process counted, and how far. A foreign epoch means "send everything current". */
  readonly epoch: string
  readonly sequence: number
}
export type TimelineToken = { readonly kind: 'timeline'; readonly rank: number }
export type Token = StreamToken | TimelineToken

/** The longest number in a token that stays exact. */
const STREAM = /^s1_(\d{1,15})_([0-9a-z]{1,16})_(\d{1,15})$/
/** Ranks of backfilled history run below zero. */
const TIMELINE = /^t1_(-?\d{1,15})$/

export function formatToken(token: Token): string {
  return token.kind === 'stream' ? `s1_${token.position}_${token.epoch}_${token.sequence}` : `t1_${token.rank}`
}

/** @throws M_INVALID_PARAM for anything that this server never gave out. */
export function parseToken(text: string): Token {
  const stream = STREAM.exec(text)
  if (stream !== null) {
    return { kind: 'stream', position: Number(stream[1]), epoch: stream[2] ?? '', sequence: Number(stream[3]) }
  }
  const timeline = TIMELINE.exec(text)
  if (timeline !== null) return { kind: 'timeline', rank: Number(timeline[1]) }
  throw invalidParam(`"${text.slice(0, 64)}" is not a token of this server`)
}
