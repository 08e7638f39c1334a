import {
  decodeJson,
  type MutableObject,
  notJson,
  type ParseOptions,
  parseJson,
  parseJsonText,
  putMember,
} from '#core/json/parse.ts'
import type { JsonArray, JsonObject, JsonValue } from '#core/json/value.ts'
import { badJson, tooLarge } from '#core/matrix-error.ts'

/** Texts up to here are parsed at once. */
const SHORT_BYTES = 64 * 1024
/** Members or entries that are parsed at once, unless a single one is longer. */
const BATCH_BYTES = 16 * 1024
/** Bytes that are looked through at once. */
const SCAN_BYTES = 64 * 1024
/** How many long lists and objects that stand in each other are taken apart. */
const LEVELS_MAX = 100
/** What stands in that many is parsed at once, and may be no longer: an event that nests very deep. */
const DEEP_BYTES_MAX = 128 * 1024

/**
 * What strangers may send: values for each mebibyte that a body may have, and keys of one object. It is more than any
 * event can hold. What costs time is not the bytes but what is made of them: sorting a million keys takes seconds.
 */
export const JSON_VALUES_PER_MIB_MAX = 32_768
export const JSON_KEYS_MAX = 16_384

// No byte of a character outside of ASCII is one of these.
export const QUOTE = 0x22
const BACKSLASH = 0x5c
export const COMMA = 0x2c
const COLON = 0x3a
export const BRACKET_OPEN = 0x5b
export const BRACKET_CLOSE = 0x5d
export const BRACE_OPEN = 0x7b
export const BRACE_CLOSE = 0x7d

export type LongParseOptions = ParseOptions & {
  /** Members of objects and entries of lists in the whole text; not asked of short texts. */
  readonly valuesMax?: number
  /** Bytes of one string; not asked of short texts. */
  readonly stringBytesMax?: number
  /** Members of one object; not asked of short texts. Objects of very many take long in whatever is done with them. */
  readonly keysMax?: number
}

type Slices<Result> = Generator<undefined, Result, undefined>
/** Part of the text: start and end offset. */
type Part = { readonly start: number; readonly end: number }
/** Where the long lists and objects end, by where they begin: offsets of their brackets. */
type Ends = ReadonlyMap<number, number>

/**
 * `parseJson` of a text that may be many megabytes long, with the same result: yields now and then, so that its caller
 * can let others have the thread. Long objects and lists are taken apart, however they stand in each other; a single
 * string is the only part that can be long by itself.
 *
 * @throws MatrixError as `parseJson`; M_TOO_LARGE for more values or keys than the options allow
 */
export function* parseLongJson(bytes: Uint8Array, options: LongParseOptions): Slices<JsonValue> {
  if (bytes.length <= SHORT_BYTES) return parseJson(bytes, options)
  const ends = yield* longContainers(bytes, options)
  return yield* parsePart(bytes, { start: 0, end: bytes.length }, ends, options, LEVELS_MAX)
}

/** Looks through the whole text once. What isn't well-nested is refused here, before anything is parsed. */
function* longContainers(bytes: Uint8Array, options: LongParseOptions): Slices<Ends> {
  const { depthMax, valuesMax = Number.POSITIVE_INFINITY, stringBytesMax = Number.POSITIVE_INFINITY } = options
  const ends = new Map<number, number>()
  const open: number[] = []
  let values = 0
  let sliceEnd = SCAN_BYTES
  for (let at = 0; at < bytes.length; at++) {
    const unit = bytes[at]
    if (unit === QUOTE) {
      const end = stringEnd(bytes, at, bytes.length)
      if (end - at > stringBytesMax) throw tooLarge(`A string is longer than ${stringBytesMax} bytes`)
      at = end
    } else if (unit === COMMA) values += 1
    else if (unit === BRACE_OPEN || unit === BRACKET_OPEN) {
      values += 1
      open.push(at)
      if (open.length > depthMax) throw badJson(`The JSON nests deeper than ${depthMax} levels`)
    } else if (unit === BRACE_CLOSE || unit === BRACKET_CLOSE) {
      const start = open.pop()
      const expected = unit === BRACE_CLOSE ? BRACE_OPEN : BRACKET_OPEN
      if (start === undefined || bytes[start] !== expected) throw notJson('The brackets do not match')
      if (at - start > BATCH_BYTES) ends.set(start, at)
    }
    if (values > valuesMax) throw tooLarge(`The JSON holds more than ${valuesMax} values`)
    if (at < sliceEnd) continue
    sliceEnd = at + SCAN_BYTES
    yield
  }
  if (open.length > 0) throw notJson('The brackets do not match')
  return ends
}

function* parsePart(
  bytes: Uint8Array,
  part: Part,
  ends: Ends,
  options: LongParseOptions,
  levels: number,
): Slices<JsonValue> {
  const open = skipSpace(bytes, part.start, part.end)
  const close = ends.get(open)
  const isWhole = close !== undefined && skipSpace(bytes, close + 1, part.end) === part.end
  if (levels === 0 && isWhole && close - open > DEEP_BYTES_MAX) throw badJson('Too much stands too deep in the JSON')
  if (levels === 0 || !isWhole) return parseJson(bytes.subarray(part.start, part.end), options)
  const isObject = bytes[open] === BRACE_OPEN
  const keys = new Set<string>()
  const object: MutableObject = {}
  const list: JsonValue[] = []
  for (const some of yield* batches(bytes, { start: open + 1, end: close }, ends)) {
    if (!isObject) {
      for (const entry of yield* parseEntries(bytes, some, ends, options, levels)) list.push(entry)
    } else {
      for (const [key, value] of yield* parseMembers(bytes, some, ends, options, levels)) {
        if (keys.has(key)) throw badJson('An object has the same key twice')
        keys.add(key)
        putMember(object, key, value)
      }
      const { keysMax = Number.POSITIVE_INFINITY } = options
      if (keys.size > keysMax) throw tooLarge(`An object has more than ${keysMax} keys`)
    }
    yield
  }
  return isObject ? object : list
}

type Batch = Part & {
  /** How many members or entries it holds; one that is long stands by itself. */
  readonly count: number
  readonly isLong: boolean
}

/** What stands between the brackets of a long list or object, cut at commas. */
function* batches(bytes: Uint8Array, { start, end }: Part, ends: Ends): Slices<Batch[]> {
  const found: Batch[] = []
  let batch = { start, count: 0 }
  let partStart = start
  let isLong = false
  let sliceEnd = start + SCAN_BYTES
  const endBatch = (batchEnd: number) => {
    if (batch.count > 0) found.push({ ...batch, end: batchEnd, isLong: false })
  }
  const endPart = (at: number) => {
    if (skipSpace(bytes, partStart, at) === at) throw notJson('A value is missing between two commas')
    if (isLong) {
      endBatch(partStart - 1)
      found.push({ start: partStart, end: at, count: 1, isLong })
      batch = { start: at + 1, count: 0 }
    } else {
      batch.count += 1
      if (at - batch.start >= BATCH_BYTES) {
        endBatch(at)
        batch = { start: at + 1, count: 0 }
      }
    }
    partStart = at + 1
    isLong = false
  }
  let depth = 0
  for (let at = start; at < end; at++) {
    const unit = bytes[at]
    if (unit === QUOTE) at = stringEnd(bytes, at, end)
    else if (unit === BRACE_OPEN || unit === BRACKET_OPEN) {
      const close = depth === 0 ? ends.get(at) : undefined
      if (close === undefined) depth += 1
      else {
        at = close
        isLong = true
      }
    } else if (unit === BRACE_CLOSE || unit === BRACKET_CLOSE) depth -= 1
    else if (unit === COMMA && depth === 0) endPart(at)
    if (at < sliceEnd) continue
    sliceEnd = at + SCAN_BYTES
    yield
  }
  endPart(end)
  endBatch(end)
  return found
}

function* parseEntries(
  bytes: Uint8Array,
  batch: Batch,
  ends: Ends,
  options: LongParseOptions,
  levels: number,
): Slices<JsonArray> {
  if (batch.isLong) return [yield* parsePart(bytes, batch, ends, options, levels - 1)]
  const text = decodeJson(bytes.subarray(batch.start, batch.end))
  const entries = parseJsonText(`[${text}]`, options) as JsonArray
  // `1],[2` would have closed our bracket.
  if (entries.length !== batch.count) throw notJson('A list lacks an entry')
  return entries
}

function* parseMembers(
  bytes: Uint8Array,
  batch: Batch,
  ends: Ends,
  options: LongParseOptions,
  levels: number,
): Slices<readonly [string, JsonValue][]> {
  if (!batch.isLong) {
    const text = decodeJson(bytes.subarray(batch.start, batch.end))
    return Object.entries(parseJsonText(`{${text}}`, options) as JsonObject)
  }
  const colon = keyEnd(bytes, batch.start, batch.end)
  const key = colon === -1 ? null : parseJson(bytes.subarray(batch.start, colon), options)
  if (typeof key !== 'string') throw notJson('A member of an object has no key')
  const value = { start: colon + 1, end: batch.end }
  return [[key, yield* parsePart(bytes, value, ends, options, levels - 1)]]
}

/** Where the quote stands that ends a string; `end` where none does. */
export function stringEnd(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start + 1; at < end; at++) {
    const unit = bytes[at]
    if (unit === QUOTE) return at
    if (unit === BACKSLASH) at += 1
  }
  return end
}

/** Where the colon stands after a member's key; -1 for none. */
export function keyEnd(bytes: Uint8Array, start: number, end: number): number {
  const quote = skipSpace(bytes, start, end)
  if (bytes[quote] !== QUOTE) return -1
  const colon = skipSpace(bytes, stringEnd(bytes, quote, end) + 1, end)
  return bytes[colon] === COLON ? colon : -1
}

/** "Insignificant whitespace" of JSON alone. */
export const isSpace = (unit: number | undefined) => unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09

export function skipSpace(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && isSpace(bytes[at])) at += 1
  return at
}
