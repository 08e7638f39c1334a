/**
 * Whether some part of a text that "starts and ends at a word boundary" matches a glob: "a word boundary is defined as
 * the start or end of the value, or any character not in the sets `[A-Z]`, `[a-z]`, `[0-9]` or `_`". Case matters:
 * lower both first. Takes at most text × pattern steps; there is no backtracking over `*`.
 */
export function hasWordMatch(text: string, pattern: string): boolean {
  // Between two stars only literals and `?` remain, and for each of these parts the earliest place is the best one,
  // since it leaves the most text for the parts behind it.
  const parts = pattern.split('*')
  const [first = '', ...rest] = parts
  const last = rest.pop()
  if (last === undefined) return find(text, first, 0, true, true) !== -1
  let position = find(text, first, 0, true, false)
  for (const part of rest) {
    if (position === -1) return false
    position = find(text, part, position, false, false)
  }
  // `*` reaches to the end of the text, which is a boundary.
  return position !== -1 && (last === '' || find(text, last, position, false, true) !== -1)
}

/** As `hasWordMatch`, with a needle in which `*` and `?` are ordinary characters. */
export function hasWord(text: string, needle: string): boolean {
  for (let at = text.indexOf(needle); at !== -1; at = text.indexOf(needle, at + 1)) {
    if (isBoundary(text, at - 1) && isBoundary(text, at + needle.length)) return true
    if (at >= text.length) return false
  }
  return false
}

/** The end of the first match of a part without stars that starts at `from` or later; -1 if there is none. */
function find(text: string, part: string, from: number, startBound: boolean, endBound: boolean): number {
  const wildcard = part.indexOf('?')
  const literal = wildcard === -1 ? part : part.slice(0, wildcard)
  for (let start = from; start <= text.length; start++) {
    start = text.indexOf(literal, start)
    if (start === -1) return -1
    if (isInsidePair(text, start) || (startBound && !isBoundary(text, start - 1))) continue
    const end = matchAt(text, part, start)
    if (end !== -1 && (!endBound || isBoundary(text, end))) return end
  }
  return -1
}

/** The end of a part that matches exactly at `start`, or -1. `?` is one character, be it one code unit or two. */
function matchAt(text: string, part: string, start: number): number {
  let position = start
  for (let i = 0; i < part.length; i++) {
    if (position >= text.length) return -1
    if (part[i] !== '?' && part[i] !== text[position]) return -1
    position += part[i] === '?' && isInsidePair(text, position + 1) ? 2 : 1
  }
  return position
}

/** Whether an index lies between the two halves of a surrogate pair. */
function isInsidePair(text: string, index: number): boolean {
  return (text.charCodeAt(index) & 0xfc00) === 0xdc00 && (text.charCodeAt(index - 1) & 0xfc00) === 0xd800
}

function isBoundary(text: string, index: number): boolean {
  if (index < 0 || index >= text.length) return true
  const code = text.charCodeAt(index)
  const isWord = (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) || code === 95
  return !isWord
}
