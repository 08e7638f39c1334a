/** An array or object that is being written. */
type Frame = { readonly values: readonly unknown[]; readonly keys: readonly string[] | null; next: number }

/**
 * What JSON.stringify makes of plain data, also where that nests deeper than the stack, as an event may.
 * JSON.stringify recurses; it is tried first, since it is much faster.
 */
export function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value)
  } catch (error) {
    if (error instanceof RangeError) return deepText(value)
    throw error
  }
}

/** `jsonText` without recursion. */
export function deepText(value: unknown): string {
  return [...textParts(value, () => false)].join('')
}

/** What a value may cost to be written at once: about its bytes, and at least eight for each value in it. */
const SHORT_COST = 16_384
/** A piece of a long text is about so long, in UTF-16 code units, unless one string is longer. */
const PIECE_LENGTH = 32_768

/** Whether `jsonText` of a value is short. Looks at no more of it than it takes to see that. */
export function isShortJson(value: unknown): boolean {
  let cost = 0
  const stack: unknown[] = [value]
  while (stack.length > 0) {
    const next = stack.pop()
    cost += 8
    if (typeof next === 'string') cost += next.length
    else if (Array.isArray(next)) {
      cost += next.length
      if (cost <= SHORT_COST) stack.push(...next)
    } else if (typeof next === 'object' && next !== null && !JSON.isRawJSON(next)) {
      for (const [key, member] of Object.entries(next)) {
        cost += key.length
        stack.push(member)
      }
    }
    if (cost > SHORT_COST) return false
  }
  return true
}

/** `jsonText` of a value of any size in pieces, which together may be more than a string can hold. */
export function* jsonPieces(value: unknown): Generator<string, void, undefined> {
  let parts: string[] = []
  let length = 0
  for (const part of textParts(value, isShortJson)) {
    parts.push(part)
    length += part.length
    if (length < PIECE_LENGTH) continue
    yield parts.join('')
    parts = []
    length = 0
  }
  if (length > 0) yield parts.join('')
}

/** The text from its beginning to its end; objects and lists that are to be written at once are one part. */
function* textParts(value: unknown, atOnce: (value: object) => boolean): Generator<string, void, undefined> {
  const open: Frame[] = []
  let current = value
  for (;;) {
    if (typeof current !== 'object' || current === null || JSON.isRawJSON(current) || atOnce(current)) {
      // An item of a list that has no text counts as null.
      yield JSON.stringify(current) ?? 'null'
    } else {
      const frame = frameOf(current)
      yield frame.keys === null ? '[' : '{'
      open.push(frame)
    }
    let frame = open.at(-1)
    while (frame !== undefined && frame.next === frame.values.length) {
      yield frame.keys === null ? ']' : '}'
      open.pop()
      frame = open.at(-1)
    }
    if (frame === undefined) return
    if (frame.next > 0) yield ','
    if (frame.keys !== null) yield `${JSON.stringify(frame.keys[frame.next])}:`
    current = frame.values[frame.next]
    frame.next += 1
  }
}

function frameOf(value: object): Frame {
  if (Array.isArray(value)) return { values: value, keys: null, next: 0 }
  const entries = Object.entries(value).filter(([, member]) => member !== undefined)
  return { values: entries.map(([, member]) => member), keys: entries.map(([key]) => key), next: 0 }
}
