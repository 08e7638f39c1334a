import { isShortJson } from '#core/json/text.ts'
import { isJsonObject, type JsonArray, type JsonObject, type JsonValue } from '#core/json/value.ts'
import { badJson } from '#core/matrix-error.ts'
import type { Slices } from '#core/state/steps.ts'

/** Characters that are written at once, unless one string is longer. */
const SLICE_CHARACTERS = 64 * 1024

/** An array or object that is being written. */
type Frame = {
  readonly items: JsonArray | undefined
  readonly object: JsonObject | undefined
  /** The object's keys in canonical order. */
  readonly keys: readonly string[]
  readonly size: number
  next: number
}

/**
 * The canonical JSON of a value (specification appendices, "Canonical JSON"): shortest form, keys in order of their
 * code points. Raw numbers are written as they were received: that is what their senders hashed and signed.
 *
 * Works without recursion, since an event may nest deeper than the stack. Throws M_BAD_JSON for a JavaScript number
 * that canonical JSON can't hold.
 */
export function canonicalJson(value: JsonValue): string {
  let out = ''
  const open: Frame[] = []
  let current = value
  for (;;) {
    if (typeof current !== 'object' || current === null || JSON.isRawJSON(current)) out += scalarText(current)
    else {
      const frame = frameOf(current)
      out += frame.items === undefined ? '{' : '['
      open.push(frame)
    }
    let frame = open.at(-1)
    while (frame !== undefined && frame.next === frame.size) {
      out += frame.items === undefined ? '}' : ']'
      open.pop()
      frame = open.at(-1)
    }
    if (frame === undefined) return out
    if (frame.next > 0) out += ','
    if (frame.items !== undefined) current = frame.items[frame.next] as JsonValue
    else {
      const key = frame.keys[frame.next] as string
      out += `${JSON.stringify(key)}:`
      current = (frame.object as JsonObject)[key] as JsonValue
    }
    frame.next += 1
  }
}

/** `canonicalJson` of a value that may be megabytes long: yields now and then. No string is long by itself. */
export function* canonicalSlices(value: JsonValue): Slices<string> {
  const texts: string[] = []
  let characters = 0
  const add = (text: string) => {
    texts.push(text)
    characters += text.length
  }
  const open: Frame[] = []
  let current = value
  for (;;) {
    if (typeof current !== 'object' || current === null || JSON.isRawJSON(current) || isShortJson(current)) {
      const text = canonicalJson(current)
      // Its pieces are put together now, and not all texts' pieces at once in the end.
      text.charCodeAt(0)
      add(text)
    } else {
      const frame = frameOf(current)
      add(frame.items === undefined ? '{' : '[')
      open.push(frame)
    }
    let frame = open.at(-1)
    while (frame !== undefined && frame.next === frame.size) {
      add(frame.items === undefined ? '}' : ']')
      open.pop()
      frame = open.at(-1)
    }
    if (frame === undefined) return texts.join('')
    if (characters > SLICE_CHARACTERS) {
      characters = 0
      yield
    }
    if (frame.next > 0) add(',')
    if (frame.items !== undefined) current = frame.items[frame.next] as JsonValue
    else {
      const key = frame.keys[frame.next] as string
      add(`${JSON.stringify(key)}:`)
      current = (frame.object as JsonObject)[key] as JsonValue
    }
    frame.next += 1
  }
}

/** The size of a value's canonical JSON in bytes of UTF-8. */
export function canonicalByteLength(value: JsonValue): number {
  return Buffer.byteLength(canonicalJson(value))
}

/** An object's own keys in the order of canonical JSON. */
export function canonicalKeys(object: JsonObject): string[] {
  const keys = Object.keys(object)
  // The default order is by UTF-16 unit; it differs from code point order only where surrogates occur.
  keys.sort()
  return keys.length > 1 && keys.some((key) => SURROGATE.test(key)) ? keys.sort(compareCodePoints) : keys
}

/** Orders strings by code point, which is also the order of their UTF-8 bytes. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const unitA = a.charCodeAt(i)
    const unitB = b.charCodeAt(i)
    if (unitA !== unitB) return codePointRank(unitA) - codePointRank(unitB)
  }
  return a.length - b.length
}

/** Throws M_BAD_JSON unless every number is one that canonical JSON allows. Wants a value that was parsed lossless. */
export function checkStrictNumbers(value: JsonValue): void {
  const stack: JsonValue[] = [value]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (typeof next === 'number' ? !isCanonicalNumber(next) : JSON.isRawJSON(next)) {
      throw badJson('Numbers must be integers within ±(2^53 − 1), without fraction, exponent or negative zero')
    }
    if (typeof next !== 'object' || next === null) continue
    for (const item of Array.isArray(next) ? next : Object.values(next as JsonObject)) {
      if (typeof item === 'number' || (typeof item === 'object' && item !== null)) stack.push(item)
    }
  }
}

const SURROGATE = /[\ud800-\udfff]/

/** Surrogates stand for code points above all other units. */
function codePointRank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit > 0xdfff ? unit - 0x800 : unit + 0x2000
}

const isCanonicalNumber = (value: number): boolean => Number.isSafeInteger(value) && !Object.is(value, -0)

function frameOf(value: JsonArray | JsonObject): Frame {
  if (!isJsonObject(value)) {
    const items = value as JsonArray
    return { items, object: undefined, keys: [], size: items.length, next: 0 }
  }
  const keys = canonicalKeys(value)
  return { items: undefined, object: value, keys, size: keys.length, next: 0 }
}

function scalarText(value: JsonValue): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw badJson('A number is not an integer within ±(2^53 − 1)')
    // Negative zero must not appear; String(-0) is '0'.
    return String(value)
  }
  if (value === null || typeof value === 'boolean') return String(value)
  if (JSON.isRawJSON(value)) return value.rawJSON
  throw new TypeError(`Not JSON: ${typeof value}`)
}
