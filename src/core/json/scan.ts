/** What one linear look at a JSON text tells beyond what `JSON.parse` keeps. */

export type Scan = {
  /** Members of all objects together: with a repeated key it is more than what the parsed value holds. */
  readonly members: number
  /** Where numbers stand that aren't canonical safe integers: start and end offsets, alternating. */
  readonly oddNumbers: readonly number[]
  /** True when an escape such as `\ud800` occurs, so that strings may hold a lone surrogate. */
  readonly surrogateEscapes: boolean
  /** True when arrays and objects nest deeper than allowed; the rest is then not looked at. */
  readonly tooDeep: boolean
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const MINUS = 0x2d
const ZERO = 0x30
const NINE = 0x39
const BRACKET_OPEN = 0x5b
const BRACKET_CLOSE = 0x5d
const BRACE_OPEN = 0x7b
const BRACE_CLOSE = 0x7d
const SPACE = 0x20
const LETTER_U = 0x75

/** Digits of which every integer is safe. */
const SAFE_DIGITS = 15

/**
 * Scans a text that needn't be JSON: what it finds counts only if `JSON.parse` accepts the text too. Depth is judged
 * first, so that a parser never sees millions of open brackets.
 */
export function scanJson(text: string, depthMax: number): Scan {
  const oddNumbers: number[] = []
  let members = 0
  let surrogateEscapes = false
  let depth = 0
  let at = 0
  while (at < text.length) {
    const unit = text.charCodeAt(at)
    if (unit === QUOTE) {
      at += 1
      for (; at < text.length; at++) {
        const inside = text.charCodeAt(at)
        if (inside === QUOTE) break
        if (inside !== BACKSLASH) continue
        at += 1
        surrogateEscapes ||= text.charCodeAt(at) === LETTER_U && isSurrogateDigits(text, at + 1)
      }
      at += 1
    } else if (unit === MINUS || (unit >= ZERO && unit <= NINE)) {
      const end = numberEnd(text, at)
      if (!isCanonicalInteger(text, at, end)) oddNumbers.push(at, end)
      at = end
    } else {
      if (unit === COLON) members += 1
      else if (unit === BRACE_OPEN || unit === BRACKET_OPEN) {
        depth += 1
        if (depth > depthMax) return { members, oddNumbers, surrogateEscapes, tooDeep: true }
      } else if (unit === BRACE_CLOSE || unit === BRACKET_CLOSE) depth -= 1
      at += 1
    }
  }
  return { members, oddNumbers, surrogateEscapes, tooDeep: false }
}

/** `d8` to `df`, in either case. */
function isSurrogateDigits(text: string, at: number): boolean {
  const first = text.charCodeAt(at) | SPACE
  const second = text.charCodeAt(at + 1) | SPACE
  return first === 0x64 && ((second >= 0x38 && second <= NINE) || (second >= 0x61 && second <= 0x66))
}

function numberEnd(text: string, start: number): number {
  let end = start + 1
  for (; end < text.length; end++) {
    const unit = text.charCodeAt(end)
    const inNumber = (unit >= ZERO && unit <= NINE) || unit === 0x2e || unit === 0x2b || unit === MINUS
    if (!inNumber && (unit | SPACE) !== 0x65) break
  }
  return end
}

/** `-?(0|[1-9][0-9]*)`, not `-0`, within ±(2^53 − 1). Leading zeros are left to `JSON.parse`, which refuses them. */
function isCanonicalInteger(text: string, start: number, end: number): boolean {
  const digits = text.charCodeAt(start) === MINUS ? start + 1 : start
  if (digits > start && text.charCodeAt(digits) === ZERO) return false
  for (let at = digits; at < end; at++) {
    const unit = text.charCodeAt(at)
    if (unit < ZERO || unit > NINE) return false
  }
  return end - digits <= SAFE_DIGITS || Number.isSafeInteger(Number(text.slice(start, end)))
}
