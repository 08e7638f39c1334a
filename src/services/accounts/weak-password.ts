/** Characters that an administrator's password has at least. */
export const ADMIN_PASSWORD_LENGTH_MIN = 10
/** Different characters among them. */
const DIFFERENT_CHARACTERS_MIN = 5
/** What guessing begins with, in small letters and without digits or signs at the end. */
const COMMON_WORDS: ReadonlySet<string> = new Set(
  'password passwort passwd admin administrator letmein welcome qwerty qwertyuiop qwertz asdfghjkl iloveyou dragon monkey football baseball superman batman trustno changeme secret matrix hearth homeserver default test testtest'.split(
    ' ',
  ),
)

/**
 * Why somebody who is to administer the server should not use this password, as the end of a sentence that begins with
 * "This password"; null where nothing speaks against it.
 *
 * @param names what is public about the account: its localpart, the server's name
 */
export function weakness(password: string, names: readonly string[]): string | null {
  const length = [...password].length
  if (length < ADMIN_PASSWORD_LENGTH_MIN)
    return `is too short: it needs at least ${ADMIN_PASSWORD_LENGTH_MIN} characters`
  const plain = password.toLowerCase()
  if (new Set(plain).size < DIFFERENT_CHARACTERS_MIN) return 'repeats a few characters only'
  if (isSequence(plain)) return 'is a row of neighbouring characters'
  const word = plain.replace(/[^\p{L}]+$/u, '')
  if (COMMON_WORDS.has(word)) return 'is among those that are tried first'
  const name = names.find((known) => known !== '' && word === known.toLowerCase())
  return name === undefined ? null : `is not much more than "${name}"`
}

/** "abcdefghij", "9876543210". */
function isSequence(text: string): boolean {
  const codes = [...text].map((character) => character.codePointAt(0) ?? 0)
  const steps = new Set(codes.slice(1).map((code, index) => code - (codes[index] ?? 0)))
  // 0 after 9 in "1234567890", and 9 after 0 the other way.
  for (const step of [9, -9]) if (steps.size > 1) steps.delete(step)
  return steps.size === 1 && [1, -1].includes([...steps][0] ?? 0)
}
