import { scanJson } from '#core/json/scan.ts'
import type { JsonArray, JsonObject, JsonValue } from '#core/json/value.ts'
import { badJson, MatrixError } from '#core/matrix-error.ts'

export type ParseOptions = {
  /** Levels of arrays and objects that may stand in each other. */
  readonly depthMax: number
  /**
   * Keep numbers that aren't canonical safe integers as `RawNumber`s with their text. Needed wherever events are read;
   * otherwise they become ordinary JavaScript numbers.
   */
  readonly lossless?: boolean
}

/** Deep enough for any event: 65,536 bytes can't nest deeper. */
export const EVENT_DEPTH_MAX = 65_536
/** Nesting allowed in what clients send. */
export const CLIENT_DEPTH_MAX = 100

/** What isn't JSON at all. */
export const notJson = (message: string) => new MatrixError('M_NOT_JSON', message)

/** A byte order mark is kept, so that JSON.parse refuses it. */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Parses JSON that came from outside.
 *
 * Throws M_NOT_JSON for what isn't JSON in UTF-8, and M_BAD_JSON for JSON that two parsers could read differently:
 * repeated keys, lone surrogates, numbers out of range, too much nesting.
 */
export function parseJson(bytes: Uint8Array, options: ParseOptions): JsonValue {
  return parseJsonText(decodeJson(bytes), options)
}

/** The text of JSON. Throws M_NOT_JSON for what isn't UTF-8. */
export function decodeJson(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes)
  } catch {
    throw notJson('The text is not valid UTF-8')
  }
}

/** `parseJson` for text that is decoded already. */
export function parseJsonText(text: string, options: ParseOptions): JsonValue {
  const scan = scanJson(text, options.depthMax)
  if (scan.tooDeep) throw badJson(`The JSON nests deeper than ${options.depthMax} levels`)
  const value = parsePlain(text)
  const seen = inspect(value, scan.surrogateEscapes || !text.isWellFormed(), scan.oddNumbers.length > 0)
  if (seen.loneSurrogate) throw badJson('A string holds half of a surrogate pair')
  if (seen.members !== scan.members) throw badJson('An object has the same key twice')
  if (scan.oddNumbers.length === 0) return value
  if (options.lossless) return parseKeepingNumbers(text, scan.oddNumbers)
  if (seen.infinite) throw badJson('A number is out of range')
  return value
}

function parsePlain(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue
  } catch {
    throw notJson('The body is not valid JSON')
  }
}

type Inspection = { members: number; loneSurrogate: boolean; infinite: boolean }

/** Walks a parsed value without recursion: it may nest deeper than the stack. */
function inspect(value: JsonValue, checkSurrogates: boolean, checkNumbers: boolean): Inspection {
  const found: Inspection = { members: 0, loneSurrogate: false, infinite: false }
  const checkLeaves = checkSurrogates || checkNumbers
  const stack: JsonValue[] = [value]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (typeof next === 'string') found.loneSurrogate ||= !next.isWellFormed()
    else if (typeof next === 'number') found.infinite ||= !Number.isFinite(next)
    else if (typeof next === 'object' && next !== null) {
      const items = Array.isArray(next) ? (next as JsonArray) : Object.values(next as JsonObject)
      if (items !== next) {
        found.members += items.length
        if (checkSurrogates) found.loneSurrogate ||= Object.keys(next).some((key) => !key.isWellFormed())
      }
      for (const item of items) {
        if (checkLeaves || (typeof item === 'object' && item !== null)) stack.push(item)
      }
    }
  }
  return found
}

/**
 * Starts a string that stands for a number while parsing. The second half of a surrogate pair: no string of an
 * accepted text begins with it.
 */
const NUMBER_MARK = '\udc00'

/**
 * Parses again with the numbers at `spans` written as marked strings, then puts raw numbers in their places. The
 * reviver of `JSON.parse` could see the text of numbers too, but it recurses, and an event may nest too deep for it.
 */
function parseKeepingNumbers(text: string, spans: readonly number[]): JsonValue {
  const parts: string[] = []
  let done = 0
  for (let i = 0; i < spans.length; i += 2) {
    const start = spans[i] as number
    const end = spans[i + 1] as number
    parts.push(text.slice(done, start), '"\\udc00', text.slice(start, end), '"')
    done = end
  }
  parts.push(text.slice(done))
  // A holder, so that a number that is the whole text has a place to be put.
  const holder: MutableArray = [JSON.parse(parts.join('')) as JsonValue]
  const stack: (MutableArray | MutableObject)[] = [holder]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const keys = Array.isArray(next) ? null : Object.keys(next)
    for (const [index, item] of (Object.values(next) as JsonValue[]).entries()) {
      if (typeof item === 'string' && item.startsWith(NUMBER_MARK)) {
        const rawNumber = JSON.rawJSON(item.slice(NUMBER_MARK.length))
        if (keys === null) (next as MutableArray)[index] = rawNumber
        else putMember(next as MutableObject, keys[index] as string, rawNumber)
      } else if (typeof item === 'object' && item !== null) stack.push(item as MutableArray | MutableObject)
    }
  }
  return holder[0] as JsonValue
}
type MutableArray = JsonValue[]
export type MutableObject = { [key: string]: JsonValue }

/** Adds or replaces a member as JSON.parse does it: `__proto__` is a key like others. */
export function putMember(object: MutableObject, key: string, value: JsonValue): void {
  if (key !== '__proto__') object[key] = value
  else Object.defineProperty(object, key, { value, configurable: true, enumerable: true, writable: true })
}
