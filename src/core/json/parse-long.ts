import { notJson, type ParseOptions, parseJson, parseJsonText } from '#core/json/parse.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { badJson } from '#core/matrix-error.ts'

/** Characters that are parsed at once, unless one part of the text is longer. */
const SLICE_CHARACTERS = 128 * 1024
/** Bytes that are decoded at once. */
const DECODE_BYTES = 1024 * 1024

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
  if (bytes.length <= SLICE_CHARACTERS) return parseJson(bytes, options)
  const text = yield* decode(bytes)
  const deeper = { ...options, depthMax: options.depthMax - 1 }
  const members = yield* partsOf(text, BRACE_OPEN, BRACE_CLOSE, 0, text.length)
  if (members === null || members.length === 0) return parseJsonText(text, options)
  const object: [string, JsonValue][] = []
  const keys = new Set<string>()
  for (const { start, end } of members) {
    const colon = keyEnd(text, start, end)
    const key = colon === -1 ? null : parseJsonText(text.slice(start, colon), deeper)
    if (typeof key !== 'string') throw notJson('A member of an object has no key')
    if (keys.has(key)) throw badJson('An object has the same key twice')
    keys.add(key)
    object.push([key, yield* parseMember(text, colon + 1, end, deeper)])
    yield
  }
  // As JSON.parse makes it: `__proto__` is a key like others.
  return Object.fromEntries(object) as JsonObject
}

function* decode(bytes: Uint8Array): Slices<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let text = ''
  try {
    for (let at = 0; at < bytes.length; at += DECODE_BYTES) {
      text += decoder.decode(bytes.subarray(at, at + DECODE_BYTES), { stream: true })
      yield
    }
    return text + decoder.decode()
  } catch {
    throw notJson('The text is not valid UTF-8')
  }
}

function* parseMember(text: string, start: number, end: number, options: ParseOptions): Slices<JsonValue> {
  if (end - start > SLICE_CHARACTERS) {
    const entries = yield* partsOf(text, BRACKET_OPEN, BRACKET_CLOSE, start, end)
    if (entries !== null && entries.length > 0) return yield* parseEntries(text, entries, options)
  }
  return parseJsonText(text.slice(start, end), options)
}

function* parseEntries(text: string, entries: Parts, options: ParseOptions): Slices<JsonValue> {
  const list: JsonValue[] = []
  for (let first = 0; first < entries.length; ) {
    const start = (entries[first] as Parts[number]).start
    let last = first
    while (last + 1 < entries.length && (entries[last + 1] as Parts[number]).end - start < SLICE_CHARACTERS) last += 1
    const some = parseJsonText(`[${text.slice(start, (entries[last] as Parts[number]).end)}]`, options) as JsonValue[]
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
function* partsOf(text: string, open: number, close: number, start: number, end: number): Slices<Parts | null> {
  const first = skipSpace(text, start, end)
  const last = skipSpaceBack(text, end, first)
  if (text.charCodeAt(first) !== open || last <= first || text.charCodeAt(last) !== close) return null
  const parts: Parts = []
  let depth = 0
  let partStart = first + 1
  let sliceEnd = first + SLICE_CHARACTERS
  for (let at = first + 1; at < last; at++) {
    const unit = text.charCodeAt(at)
    if (unit === QUOTE) at = stringEnd(text, at, last)
    else if (unit === BRACE_OPEN || unit === BRACKET_OPEN) depth += 1
    else if (unit === BRACE_CLOSE || unit === BRACKET_CLOSE) depth -= 1
    else if (unit === COMMA && depth === 0) {
      parts.push({ start: partStart, end: at })
      partStart = at + 1
    }
    if (depth < 0) return null
    if (at < sliceEnd) continue
    sliceEnd = at + SLICE_CHARACTERS
    yield
  }
  const isEmpty = parts.length === 0 && skipSpace(text, partStart, last) === last
  if (depth !== 0) return null
  if (!isEmpty) parts.push({ start: partStart, end: last })
  return parts
}

/** Where the quote stands that ends a string; `end` where none does. */
function stringEnd(text: string, start: number, end: number): number {
  for (let at = start + 1; at < end; at++) {
    const unit = text.charCodeAt(at)
    if (unit === QUOTE) return at
    if (unit === BACKSLASH) at += 1
  }
  return end
}

/** Where the colon stands after a member's key; -1 for none. */
function keyEnd(text: string, start: number, end: number): number {
  const quote = skipSpace(text, start, end)
  if (text.charCodeAt(quote) !== QUOTE) return -1
  const colon = skipSpace(text, stringEnd(text, quote, end) + 1, end)
  return text.charCodeAt(colon) === COLON ? colon : -1
}

/** "Insignificant whitespace" of JSON alone. */
const isSpace = (unit: number) => unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09

function skipSpace(text: string, start: number, end: number): number {
  let at = start
  while (at < end && isSpace(text.charCodeAt(at))) at += 1
  return at
}

/** The last place before `end` that holds something else. */
function skipSpaceBack(text: string, end: number, start: number): number {
  let at = end - 1
  while (at > start && isSpace(text.charCodeAt(at))) at -= 1
  return at
}
