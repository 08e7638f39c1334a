import { decodeJson, notJson, parseJson } from '#core/json/parse.ts'
import {
  BRACE_CLOSE,
  BRACE_OPEN,
  BRACKET_CLOSE,
  BRACKET_OPEN,
  COMMA,
  isSpace,
  keyEnd,
  type LongParseOptions,
  parseLongJson,
  QUOTE,
  skipSpace,
  stringEnd,
} from '#core/json/parse-long.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { badJson, MatrixError } from '#core/matrix-error.ts'

/** Bytes that are looked through or parsed at once, unless one entry is longer. */
const SLICE_BYTES = 64 * 1024

/** Parts of the text: start and end offsets. `null` stands for a text of another form. */
type Parts = { readonly start: number; readonly end: number }[]
type Slices<Result> = Generator<undefined, Result, undefined>

/** A text some of whose list entries other parsers could read differently. */
export type SparedJson = {
  /** `null` stands in the place of each such entry. */
  readonly value: JsonValue
  /** With such entries as most parsers read them: the last of equal keys counts, and halves of surrogate pairs stay. */
  readonly asMostRead: JsonValue
}

/** Flawed entries above that size aren't read at all: they can't be events. */
const FLAWED_BYTES_MAX = 128 * 1024

/**
 * `parseLongJson` of a transaction or an answer, whose lists hold events of many servers: an entry that is JSON but has
 * repeated keys, a lone surrogate or too much nesting costs itself alone.
 *
 * @throws MatrixError as `parseLongJson`, for what is wrong elsewhere
 */
export function* parseSparing(bytes: Uint8Array, options: LongParseOptions): Slices<SparedJson> {
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

function* parseByEntry(bytes: Uint8Array, members: Parts, options: LongParseOptions): Slices<SparedJson> {
  const spared = new Map<string, SparedJson>()
  for (const { start, end } of members) {
    const colon = keyEnd(bytes, start, end)
    const key = colon === -1 ? null : parseJson(bytes.subarray(start, colon), options)
    if (typeof key !== 'string') throw notJson('A member of an object has no key')
    if (spared.has(key)) throw badJson('An object has the same key twice')
    const entries = yield* partsOf(bytes, BRACKET_OPEN, BRACKET_CLOSE, colon + 1, end)
    if (entries === null || entries.length === 0) {
      const value = yield* parseLongJson(bytes.subarray(colon + 1, end), options)
      spared.set(key, { value, asMostRead: value })
    } else spared.set(key, yield* spareEntries(bytes, entries, { ...options, depthMax: options.depthMax - 1 }))
  }
  const read = (which: keyof SparedJson) =>
    Object.fromEntries([...spared].map(([key, member]) => [key, member[which]])) as JsonObject
  return { value: read('value'), asMostRead: read('asMostRead') }
}

function* spareEntries(bytes: Uint8Array, entries: Parts, options: LongParseOptions): Slices<SparedJson> {
  const value: JsonValue[] = []
  const asMostRead: JsonValue[] = []
  let sliceEnd = 0
  for (const { start, end } of entries) {
    const entry = bytes.subarray(start, end)
    try {
      const read = yield* parseLongJson(entry, options)
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
  let sliceEnd = first + SLICE_BYTES
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
    sliceEnd = at + SLICE_BYTES
    yield
  }
  const isEmpty = parts.length === 0 && skipSpace(bytes, partStart, last) === last
  if (depth !== 0) return null
  if (!isEmpty) parts.push({ start: partStart, end: last })
  return parts
}

/** The last place before `end` that holds something else. */
function skipSpaceBack(bytes: Uint8Array, end: number, start: number): number {
  let at = end - 1
  while (at > start && isSpace(bytes[at])) at -= 1
  return at
}
