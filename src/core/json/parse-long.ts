import { decodeJson, notJson, type ParseOptions, parseJson, parseJsonText } from '#core/json/parse.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { badJson, MatrixError } from '#core/matrix-error.ts'

/** Bytes that are parsed at once, unless one part of the text is longer. */
const SLICE_BYTES = 64 * 1024
/** Bytes that are looked through at once. */
const SCAN_BYTES = 64 * 1024

// No byte of a character outside of ASCII is one of these.
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const BRACKET_OPEN = 0x5b
const BRACKET_CLOSE = 0x5d
const BRACE_OPEN = 0x7b
const BRACE_CLOSE = 0x7d

/** Parts of the text: start and end offsets. `null` stands for a text of another form. */
type Parts = { readonly start: number; readonly end: number }[]
type Slices<Result> = Generator<undefined, Result, undefined>

/**
 * `parseJson` of a text that may be many megabytes long, with the same result: yields now and then, so that its caller
 * can let others have the thread. An object is taken apart into its members, and a long list among these into its
 * entries, as answers that hold the state of a room are made up; no part of those is long by itself.
 *
 * @throws MatrixError as `parseJson`
 */
export function* parseLongJson(bytes: Uint8Array, options: ParseOptions): Slices<JsonValue> {
  if (bytes.length <= SLICE_BYTES) return parseJson(bytes, options)
  const deeper = { ...options, depthMax: options.depthMax - 1 }
  const members = yield* partsOf(bytes, BRACE_OPEN, BRACE_CLOSE, 0, bytes.length)
  if (members === null || members.length === 0) return parseJson(bytes, options)
  const object: [string, JsonValue][] = []
  const keys = new Set<string>()
  for (const { start, end } of members) {
    const colon = keyEnd(bytes, start, end)
    const key = colon === -1 ? null : parseJson(bytes.subarray(start, colon), deeper)
    if (typeof key !== 'string') throw notJson('A member of an object has no key')
    if (keys.has(key)) throw badJson('An object has the same key twice')
    keys.add(key)
    object.push([key, yield* parseMember(bytes, colon + 1, end, deeper)])
    yield
  }
  // As JSON.parse makes it: `__proto__` is a key like others.
  return Object.fromEntries(object) as JsonObject
}

/** A text some of whose list entries other parsers could read differently. */
export type SparedJson = {
  /** `null` stands in the place of each such entry. */
  readonly value: JsonValue
  /** With such entries as most parsers read them: the last of equal keys counts, and halves of surrogate pairs stay. */
  readonly asMostRead: JsonValue
}

/** Flawed entries above that size aren't read at all. */
const FLAWED_BYTES_MAX = 1024 * 1024

/**
 * `parseLongJson` of a transaction or an answer, whose lists hold events of many servers: an entry that is JSON but has
 * repeated keys, a lone surrogate or too much nesting costs itself alone.
 *
 * @throws MatrixError as `parseLongJson`, for what is wrong elsewhere
 */
export function* parseSparing(bytes: Uint8Array, options: ParseOptions): Slices<SparedJson> {
  try {
    const value = yield* parseLongJson(bytes, options)
    return { value, asMostRead: value }
  } catch (error) {
    const members = isBadJson(error) ? yield* partsOf(bytes, BRACE_OPEN, BRACE_CLOSE, 0, bytes.length) : null
    if (members === null) throw error
    return yield* parseByEntry(bytes, members, { ...options, depthMax: options.depthMax - 1 })
  }
}

const isBadJson = (error: unknown) => error instanceof MatrixError && error.errcode === 'M_BAD_JSON'

function* parseByEntry(bytes: Uint8Array, members: Parts, options: ParseOptions): Slices<SparedJson> {
  const spared = new Map<string, SparedJson>()
  for (const { start, end } of members) {
    const colon = keyEnd(bytes, start, end)
    const key = colon === -1 ? null : parseJson(bytes.subarray(start, colon), options)
    if (typeof key !== 'string') throw notJson('A member of an object has no key')
    if (spared.has(key)) throw badJson('An object has the same key twice')
    const entries = yield* partsOf(bytes, BRACKET_OPEN, BRACKET_CLOSE, colon + 1, end)
    if (entries === null || entries.length === 0) {
      const value = parseJson(bytes.subarray(colon + 1, end), options)
      spared.set(key, { value, asMostRead: value })
    } else spared.set(key, yield* spareEntries(bytes, entries, { ...options, depthMax: options.depthMax - 1 }))
  }
  const read = (which: keyof SparedJson) =>
    Object.fromEntries([...spared].map(([key, member]) => [key, member[which]])) as JsonObject
  return { value: read('value'), asMostRead: read('asMostRead') }
}

function* spareEntries(bytes: Uint8Array, entries: Parts, options: ParseOptions): Slices<SparedJson> {
  const value: JsonValue[] = []
  const asMostRead: JsonValue[] = []
  let sliceEnd = 0
  for (const { start, end } of entries) {
    const entry = bytes.subarray(start, end)
    try {
      const read = parseJson(entry, options)
      value.push(read)
      asMostRead.push(read)
    } catch (error) {
      if (!isBadJson(error) || entry.length > FLAWED_BYTES_MAX) throw error
      value.push(null)
      asMostRead.push(JSON.parse(decodeJson(entry)) as JsonValue)
    }
    if (end < sliceEnd) continue
    sliceEnd = end + SLICE_BYTES
    yield
  }
  return { value, asMostRead }
}

function* parseMember(bytes: Uint8Array, start: number, end: number, options: ParseOptions): Slices<JsonValue> {
  if (end - start > SLICE_BYTES) {
    const entries = yield* partsOf(bytes, BRACKET_OPEN, BRACKET_CLOSE, start, end)
    if (entries !== null && entries.length > 0) return yield* parseEntries(bytes, entries, options)
  }
  return parseJson(bytes.subarray(start, end), options)
}

function* parseEntries(bytes: Uint8Array, entries: Parts, options: ParseOptions): Slices<JsonValue> {
  const list: JsonValue[] = []
  for (let first = 0; first < entries.length; ) {
    const start = (entries[first] as Parts[number]).start
    let last = first
    while (last + 1 < entries.length && (entries[last + 1] as Parts[number]).end - start < SLICE_BYTES) last += 1
    const text = decodeJson(bytes.subarray(start, (entries[last] as Parts[number]).end))
    const some = parseJsonText(`[${text}]`, options) as JsonValue[]
    // Nothing between two commas, or after the last one.
    if (some.length !== last - first + 1) throw notJson('A list lacks an entry')
    for (const entry of some) list.push(entry)
    first = last + 1
    yield
  }
  return list
}

/**
 * The parts between the commas of an object or a list that is all there is from `start` to `end`. null for a text of
 * another form, and for one that can't be JSON: `JSON.parse` then says so.
 */
function* partsOf(bytes: Uint8Array, open: number, close: number, start: number, end: number): Slices<Parts | null> {
  const first = skipSpace(bytes, start, end)
  const last = skipSpaceBack(bytes, end, first)
  if (bytes[first] !== open || last <= first || bytes[last] !== close) return null
  const parts: Parts = []
  let depth = 0
  let partStart = first + 1
  let sliceEnd = first + SCAN_BYTES
  for (let at = first + 1; at < last; at++) {
    const unit = bytes[at]
    if (unit === QUOTE) at = stringEnd(bytes, at, last)
    else if (unit === BRACE_OPEN || unit === BRACKET_OPEN) depth += 1
    else if (unit === BRACE_CLOSE || unit === BRACKET_CLOSE) depth -= 1
    else if (unit === COMMA && depth === 0) {
      parts.push({ start: partStart, end: at })
      partStart = at + 1
    }
    if (depth < 0) return null
    if (at < sliceEnd) continue
    sliceEnd = at + SCAN_BYTES
    yield
  }
  const isEmpty = parts.length === 0 && skipSpace(bytes, partStart, last) === last
  if (depth !== 0) return null
  if (!isEmpty) parts.push({ start: partStart, end: last })
  return parts
}

/** Where the quote stands that ends a string; `end` where none does. */
function stringEnd(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start + 1; at < end; at++) {
    const unit = bytes[at]
    if (unit === QUOTE) return at
    if (unit === BACKSLASH) at += 1
  }
  return end
}

/** Where the colon stands after a member's key; -1 for none. */
function keyEnd(bytes: Uint8Array, start: number, end: number): number {
  const quote = skipSpace(bytes, start, end)
  if (bytes[quote] !== QUOTE) return -1
  const colon = skipSpace(bytes, stringEnd(bytes, quote, end) + 1, end)
  return bytes[colon] === COLON ? colon : -1
}

/** "Insignificant whitespace" of JSON alone. */
const isSpace = (unit: number | undefined) => unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09

function skipSpace(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && isSpace(bytes[at])) at += 1
  return at
}

/** The last place before `end` that holds something else. */
function skipSpaceBack(bytes: Uint8Array, end: number, start: number): number {
  let at = end - 1
  while (at > start && isSpace(bytes[at])) at -= 1
  return at
}
