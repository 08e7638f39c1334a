/**
 * Globs as the specification has them (appendices, "Glob-style matching"): `*` is any run of characters, `?` exactly
 * one, everything else itself. Never a RegExp: those backtrack without bound on what users write.
 */

const STAR = 0x2a
const QUESTION = 0x3f

/** Whether a pattern matches a whole text, letter for letter. See `globSteps` for its cost. */
export function globMatches(pattern: string, text: string): boolean {
  return runGlob(pattern, text).matched
}

/** `globMatches` without regard to the case of ASCII letters. */
export function globMatchesIgnoringCase(pattern: string, text: string): boolean {
  return globMatches(asciiLowerCase(pattern), asciiLowerCase(text))
}

/** How many comparisons a match takes: never more than (pattern length + 1) × (text length + 1). */
export function globSteps(pattern: string, text: string): number {
  return runGlob(pattern, text).steps
}

/** Lowers A–Z only: other letters have no single lower case, and may change length. */
export function asciiLowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

/** After a mismatch only the last star needs another try: whatever earlier ones took, the last can make up for. */
function runGlob(pattern: string, text: string): { matched: boolean; steps: number } {
  let at = 0
  let inPattern = 0
  let star = -1
  let starText = 0
  let steps = 0
  while (at < text.length) {
    steps += 1
    const wanted = inPattern < pattern.length ? pattern.charCodeAt(inPattern) : -1
    if (wanted === STAR) {
      star = inPattern
      starText = at
      inPattern += 1
    } else if (wanted === QUESTION) {
      at += characterLength(text, at)
      inPattern += 1
    } else if (wanted === text.charCodeAt(at)) {
      at += 1
      inPattern += 1
    } else if (star !== -1) {
      starText += characterLength(text, starText)
      at = starText
      inPattern = star + 1
    } else return { matched: false, steps }
  }
  while (pattern.charCodeAt(inPattern) === STAR) inPattern += 1
  return { matched: inPattern === pattern.length, steps }
}

/** A character outside the basic plane is two UTF-16 units. */
function characterLength(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
}
