import { badJson } from '#core/matrix-error.ts'

/** How many patterns with wildcards one list may hold: each is tried on each event. */
export const WILDCARDS_MAX = 64
/** Event types have at most 255 bytes. */
export const TYPE_PATTERN_LENGTH_MAX = 255

/** A list of event types: "a `*` can be used as a wildcard to match any sequence of characters". */
export type TypePatterns = {
  readonly isEmpty: boolean
  /** The types without a wildcard, and the patterns with one, for those who select by type in a store. */
  readonly exact: ReadonlySet<string>
  readonly wildcards: readonly string[]
  /** True if `*` is in the list. */
  readonly matchesAll: boolean
  readonly matches: (type: string) => boolean
}

/** @throws MatrixError M_BAD_JSON */
export function parseTypePatterns(patterns: readonly string[]): TypePatterns {
  if (patterns.some((pattern) => pattern.length > TYPE_PATTERN_LENGTH_MAX)) {
    throw badJson(`An event type in a filter may have at most ${TYPE_PATTERN_LENGTH_MAX} characters`)
  }
  const exact = new Set(patterns.filter((pattern) => !pattern.includes('*')))
  const wildcards = [...new Set(patterns.filter((pattern) => pattern.includes('*')))]
  if (wildcards.length > WILDCARDS_MAX) throw badJson(`A filter may have at most ${WILDCARDS_MAX} wildcards in a list`)
  const matchesAll = wildcards.includes('*')
  return {
    isEmpty: patterns.length === 0,
    exact,
    wildcards,
    matchesAll,
    matches: (type) => matchesAll || exact.has(type) || wildcards.some((pattern) => starMatches(pattern, type)),
  }
}

/** Unlike in a glob, `?` stands for itself. What stands before, between and behind the stars must follow in order. */
function starMatches(pattern: string, type: string): boolean {
  const [first = '', ...middle] = pattern.split('*')
  const last = middle.pop() ?? ''
  if (!type.startsWith(first)) return false
  let position = first.length
  for (const part of middle) {
    const found = type.indexOf(part, position)
    if (found === -1) return false
    position = found + part.length
  }
  return type.length - last.length >= position && type.endsWith(last)
}
