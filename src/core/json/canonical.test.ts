import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  canonicalByteLength,
  canonicalJson,
  canonicalSlices,
  checkStrictNumbers,
  compareCodePoints,
} from '#core/json/canonical.ts'
import { parseJsonText } from '#core/json/parse.ts'
import type { JsonValue } from '#core/json/value.ts'
import { run } from '#core/state/steps.ts'

const options = { depthMax: 65_536, lossless: true }

const key = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'toString', '10', '9', '😀', 'ﬁ', '', '\0', 'a"\\'),
  fc.string({ unit: 'binary', maxLength: 5 }),
)
const { json } = fc.letrec<{ json: JsonValue }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('1.0', '1e400', '-0', '9007199254740993').map((text) => JSON.rawJSON(text)),
    fc.array(tie('json')),
    fc.array(fc.tuple(key, tie('json'))).map((members) => Object.fromEntries(members)),
  ),
}))

test('the examples of the specification (appendices, "Canonical JSON")', () => {
  const examples: [string, string][] = [
    ['{}', '{}'],
    ['{ "one": 1, "two": "Two" }', '{"one":1,"two":"Two"}'],
    ['{ "b": "2", "a": "1" }', '{"a":"1","b":"2"}'],
    ['{"b":"2","a":"1"}', '{"a":"1","b":"2"}'],
    [
      `{"auth":{"success":true,"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[
        {"medium":"email","address":"john.doe@example.org"},{"medium":"msisdn","address":"123456789"}]}}}`,
      '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}',
    ],
    ['{ "a": "日本語" }', '{"a":"日本語"}'],
    ['{ "本": 2, "日": 1 }', '{"日":1,"本":2}'],
    ['{ "a": "\\u65E5" }', '{"a":"日"}'],
    ['{ "a": null }', '{"a":null}'],
    ['{ "a": -0, "b": 1e10 }', '{"a":0,"b":10000000000}'],
  ]
  for (const [input, expected] of examples) {
    assert.equal(canonicalJson(parseJsonText(input, { depthMax: 10 })), expected)
  }
})

test('J5: keys that look like integers are sorted as strings', () => {
  assert.equal(canonicalJson({ 9: 1, 10: 2, b: 3, a: 4, 1: 5 }), '{"1":5,"10":2,"9":1,"a":4,"b":3}')
})

test('J6: keys are ordered by code point, not by UTF-16 unit', () => {
  assert.equal(canonicalJson({ '😀': 1, ﬁ: 2, a: 3 }), '{"a":3,"ﬁ":2,"😀":1}')
})

test('J6: the order of code points is that of the UTF-8 bytes', () => {
  const text = fc.string({ unit: 'binary' })
  fc.assert(
    fc.property(text, text, (a, b) => {
      assert.equal(Math.sign(compareCodePoints(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }),
    { numRuns: 2000 },
  )
})

test('J9: only quotes, backslashes and control characters are escaped, in their shortest form', () => {
  const value = '"\\/\b\t\n\f\r\u0000\u001f\u007f\u2028é😀'
  assert.equal(canonicalJson(value), '"\\"\\\\/\\b\\t\\n\\f\\r\\u0000\\u001f\u007f\u2028é😀"')
})

test('J10: values nested deeper than the stack are written and checked', () => {
  let value: JsonValue = 1
  for (let depth = 0; depth < 100_000; depth++) value = depth % 2 === 0 ? [value] : { a: value }
  assert.equal(canonicalJson(value).length, 50_000 * 2 + 50_000 * 6 + 1)
  checkStrictNumbers(value)
})

test('J11: nothing is normalised', () => {
  assert.equal(canonicalJson({ 'e\u0301': 1, é: 2 }), '{"e\u0301":1,"é":2}')
})

test('J12: integers that are no dates are kept', () => {
  assert.equal(
    canonicalJson(parseJsonText('{"origin_server_ts":9007199254740991}', options)),
    '{"origin_server_ts":9007199254740991}',
  )
})

test('numbers that canonical JSON cannot hold are refused', () => {
  for (const value of [0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => canonicalJson({ value }), { errcode: 'M_BAD_JSON' })
    assert.throws(() => checkStrictNumbers([{ value }]), { errcode: 'M_BAD_JSON' })
  }
  assert.throws(() => checkStrictNumbers(-0), { errcode: 'M_BAD_JSON' })
})

test('S40: what is accepted can be written again, and is the same when read back', () => {
  fc.assert(
    fc.property(json, (value) => {
      const text = canonicalJson(value)
      assert.equal(canonicalJson(parseJsonText(text, options)), text)
      assert.equal(canonicalJson(parseJsonText(JSON.stringify(value), options)), text)
      assert.equal(canonicalByteLength(value), Buffer.byteLength(text))
    }),
    { numRuns: 1000 },
  )
})

test('in slices it is the same, and there are some of a long list', () => {
  fc.assert(
    fc.property(json, (value) => {
      assert.equal(run(canonicalSlices(value)), canonicalJson(value))
    }),
  )
  const long = { pdus: Array.from({ length: 50 }, (_, n) => ({ n, body: 'x'.repeat(20_000) })), a: [] }
  const slices = canonicalSlices(long)
  let yields = 0
  let step = slices.next()
  for (; !step.done; step = slices.next()) yields += 1
  assert.equal(step.value, canonicalJson(long))
  assert.equal(yields, 12)
})
