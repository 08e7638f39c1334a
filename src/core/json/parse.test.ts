import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalJson, checkStrictNumbers } from '#core/json/canonical.ts'
import { parseJson, parseJsonText } from '#core/json/parse.ts'
import type { JsonArray, JsonObject } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'

const options = { depthMax: 100 }
const lossless = { depthMax: 100, lossless: true }

function refusal(text: string | Uint8Array, parseOptions = options): string {
  try {
    if (typeof text === 'string') parseJsonText(text, parseOptions)
    else parseJson(text, parseOptions)
  } catch (error) {
    if (error instanceof MatrixError) return error.errcode
    throw error
  }
  return 'accepted'
}

test('J1: lossless parsing keeps the text of each number that a JavaScript number would change', () => {
  const odd = [
    '9007199254740993',
    '-9007199254740992',
    '1.0',
    '1e3',
    '1E3',
    '1e400',
    '-0',
    '0.1',
    '123456789012345678901',
  ]
  for (const text of odd) {
    const value = parseJsonText(`{"n":[${text}],"after":1}`, lossless)
    assert.equal(canonicalJson(value), `{"after":1,"n":[${text}]}`)
    assert.throws(() => checkStrictNumbers(value), { errcode: 'M_BAD_JSON' }, text)
  }
  assert.equal(canonicalJson(parseJsonText('-0.50', lossless)), '-0.50')
})

test('J1: canonical safe integers are ordinary numbers and pass the strict check', () => {
  const text = '[0,7,-1,10,999999999999999,9007199254740991,-9007199254740991]'
  const value = parseJsonText(text, lossless)
  assert.deepEqual(value, JSON.parse(text))
  checkStrictNumbers(value)
})

test('J1: without lossless, numbers are ordinary ones, and one past every range is refused', () => {
  assert.deepEqual(parseJsonText('{"order":0.25,"big":1e3}', options), { order: 0.25, big: 1000 })
  assert.equal(refusal('{"order":1e400}'), 'M_BAD_JSON')
  assert.equal(refusal('-1e400'), 'M_BAD_JSON')
})

test('J2: digits and colons in strings are no numbers and no members', () => {
  const text = '{"a:1.0":"x\\\\","b\\"1e3":"\\": -0, {\\"q\\": 1.5}"}'
  assert.deepEqual(parseJsonText(text, lossless), JSON.parse(text))
})

test('J3: a key that stands twice in an object is refused, also when escaped in another way', () => {
  for (const text of ['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '[{"x":{"__proto__":1,"__proto__":2}}]', '{"":0,"":0}']) {
    assert.equal(refusal(text), 'M_BAD_JSON', text)
  }
  assert.equal(refusal('[{"a":1},{"a":1,"b":{"a":1}}]'), 'accepted')
})

test('J4: keys of Object.prototype stay own keys, with raw numbers in them too', () => {
  const text = '{"__proto__":1.0,"constructor":{"__proto__":{"toString":2.50}},"hasOwnProperty":1}'
  for (const parseOptions of [options, lossless]) {
    const value = parseJsonText(text, parseOptions) as JsonObject
    assert.deepEqual(Object.keys(value), ['__proto__', 'constructor', 'hasOwnProperty'])
    assert.equal(Object.getPrototypeOf(value), Object.prototype)
  }
  assert.equal(canonicalJson(parseJsonText(text, lossless)), text)
  assert.equal(Object.hasOwn(Object.prototype, '0'), false)
})

test('J7: half of a surrogate pair in a string or key is refused', () => {
  for (const text of ['"\\ud800"', '["a\\uDfffb"]', '{"\\uDBFF":1}', '{"a":[{"b":"\\udc00\\ud800"}]}', '"\ud800"']) {
    assert.equal(refusal(text), 'M_BAD_JSON', text)
  }
  assert.equal(parseJsonText('"\\ud83d\\ude00"', options), '😀')
  assert.equal(parseJsonText('"\\\\ud800"', options), '\\ud800')
  // A string that looks like the mark for raw numbers can't slip through.
  assert.equal(refusal('{"a":"\\udc001.0","b":1.0}', lossless), 'M_BAD_JSON')
  assert.equal(canonicalJson(parseJsonText('["𐀀",1.0]', lossless)), '["𐀀",1.0]')
})

test('J8: text that is not UTF-8, or has a byte order mark, is not JSON', () => {
  assert.equal(refusal(new Uint8Array([0x22, 0xff, 0x22])), 'M_NOT_JSON')
  assert.equal(refusal(new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22])), 'M_NOT_JSON')
  assert.equal(refusal(new Uint8Array([0xef, 0xbb, 0xbf, 0x7b, 0x7d])), 'M_NOT_JSON')
  assert.deepEqual(parseJson(Buffer.from('{"é":"日本"}'), options), { é: '日本' })
})

test('J10: depth is limited, and nesting up to any limit neither overflows nor recurses', () => {
  const nested = (depth: number, inner = '') => '['.repeat(depth) + inner + ']'.repeat(depth)
  assert.equal(refusal(nested(100)), 'accepted')
  assert.equal(refusal(nested(101)), 'M_BAD_JSON')
  assert.equal(refusal(`{"a":${nested(99)}}`), 'accepted')
  assert.equal(refusal(`{"a":${nested(100)}}`), 'M_BAD_JSON')
  const text = nested(32_000, '1.0')
  assert.equal(canonicalJson(parseJsonText(text, { depthMax: 65_536, lossless: true })), text)
  // Judged before anything is built from it.
  assert.equal(refusal('['.repeat(10_000_000)), 'M_BAD_JSON')
})

test('S43: number tokens that are not JSON are refused as not JSON', () => {
  for (const token of ['NaN', 'Infinity', '-Infinity', '01', '+1', '.5', '1.', '0x10', '1e', '--1', '1_000']) {
    assert.equal(refusal(`{"a":${token}}`), 'M_NOT_JSON', token)
    assert.equal(refusal(`{"a":${token}}`, lossless), 'M_NOT_JSON', token)
  }
  for (const text of ['', '{', '{"a":1,}', "{'a':1}", '"\n"', 'nul', '{}{}']) {
    assert.equal(refusal(text), 'M_NOT_JSON', text)
  }
})

test('S53: U+0000 in strings is kept as it is', () => {
  const value = parseJsonText('{"a\\u0000":"\\u0000"}', options) as JsonObject
  assert.equal(value['a\0'], '\0')
  assert.equal(canonicalJson(value), '{"a\\u0000":"\\u0000"}')
})

test('a large body of many members and raw numbers is parsed whole', () => {
  const items = Array.from({ length: 20_000 }, (_, i) => `{"i":${i},"x":${i}.5}`)
  const value = parseJsonText(`[${items.join(',')}]`, lossless) as JsonArray
  assert.equal(canonicalJson(value), `[${items.join(',')}]`)
})
