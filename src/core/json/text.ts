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
  const parts: string[] = []
  const open: Frame[] = []
  let current = value
  for (;;) {
    if (typeof current !== 'object' || current === null || JSON.isRawJSON(current)) {
      // An item of a list that has no text counts as null.
      parts.push(JSON.stringify(current) ?? 'null')
    } else {
      const frame = frameOf(current)
      parts.push(frame.keys === null ? '[' : '{')
      open.push(frame)
    }
    let frame = open.at(-1)
    while (frame !== undefined && frame.next === frame.values.length) {
      parts.push(frame.keys === null ? ']' : '}')
      open.pop()
      frame = open.at(-1)
    }
    if (frame === undefined) return parts.join('')
    if (frame.next > 0) parts.push(',')
    if (frame.keys !== null) parts.push(JSON.stringify(frame.keys[frame.next]), ':')
    current = frame.values[frame.next]
    frame.next += 1
  }
}

function frameOf(value: object): Frame {
  if (Array.isArray(value)) return { values: value, keys: null, next: 0 }
  const entries = Object.entries(value).filter(([, member]) => member !== undefined)
  return { values: entries.map(([, member]) => member), keys: entries.map(([key]) => key), next: 0 }
}
