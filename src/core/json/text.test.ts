import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseJsonText } from '#core/json/parse.ts'
import { deepText, jsonText } from '#core/json/text.ts'

const LEVELS = 8_000
const NESTED = `${'{"a":['.repeat(LEVELS)}1.50${']}'.repeat(LEVELS)}`

describe('the text of JSON', () => {
  it('is that of JSON.stringify', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => deepText(value) === JSON.stringify(value)))
    const odd = {
      b: undefined,
      a: [undefined, null, Number.NaN],
      __proto__: null,
      n: JSON.rawJSON('1e3'),
      '': {},
      l: [],
    }
    assert.equal(deepText(odd), JSON.stringify(odd))
    const own = JSON.parse('{"__proto__":{"x":[]},"9":1,"10":"\\u2028\\u0000\\ud83d\\ude00"}')
    assert.equal(deepText(own), JSON.stringify(own))
  })

  it('is written however deep it nests, numbers as they came', () => {
    const value = parseJsonText(NESTED, { depthMax: 2 * LEVELS, lossless: true })
    assert.throws(() => JSON.stringify(value), RangeError)
    assert.equal(jsonText(value), NESTED)
  })

  it('is none of what refers to itself', () => {
    const circle: unknown[] = []
    circle.push(circle)
    assert.throws(() => jsonText(circle), TypeError)
  })
})
