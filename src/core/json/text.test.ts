import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseJsonText } from '#core/json/parse.ts'
import { deepText, isShortJson, jsonPieces, jsonText } from '#core/json/text.ts'

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

  it('is the same in pieces, of which none is long', () => {
    const pieces = (value: unknown) => [...jsonPieces(value)]
    fc.assert(fc.property(fc.jsonValue(), (value) => pieces(value).join('') === JSON.stringify(value)))
    const events = Array.from({ length: 3_000 }, (_, n) => ({ n, body: 'x'.repeat(100), odd: JSON.rawJSON('1.0') }))
    const keys = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`key ${n}`, n % 2 === 0 ? n : undefined]))
    const answer = {
      rooms: { join: { a: { events }, b: [events, [], {}, undefined] } },
      keys,
      numbers: Array(9_999).fill(1),
    }
    const written = pieces(answer)
    assert.equal(written.join(''), JSON.stringify(answer))
    assert.ok(written.every((piece) => piece.length < 70_000))
    const nested = parseJsonText(NESTED, { depthMax: 2 * LEVELS, lossless: true })
    assert.equal(pieces(nested).join(''), NESTED)
  })

  it('is short or not, without looking at all of it', () => {
    for (const value of [null, 1, 'x', {}, [{ a: [undefined] }], 'x'.repeat(16_000)]) assert.ok(isShortJson(value))
    const endless = {
      get more() {
        return [endless]
      },
    }
    const long = ['x'.repeat(17_000), Array(20_000).fill(0), { ['k'.repeat(17_000)]: 1 }, endless]
    for (const value of long) assert.ok(!isShortJson(value))
  })

  it('is none of what refers to itself', () => {
    const circle: unknown[] = []
    circle.push(circle)
    assert.throws(() => jsonText(circle), TypeError)
  })
})
