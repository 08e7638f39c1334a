import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { MatrixError } from '#core/matrix-error.ts'
import { type ParseOptions, parseJson } from './parse.ts'
import { type LongParseOptions, parseLongJson } from './parse-long.ts'
import { parseSparing } from './parse-sparing.ts'
import type { JsonValue } from './value.ts'

const OPTIONS: ParseOptions = { depthMax: 100, lossless: true }

function parseLong(
  text: string | Uint8Array,
  options: LongParseOptions = OPTIONS,
): { value: JsonValue; yields: number } {
  const slices = parseLongJson(typeof text === 'string' ? Buffer.from(text) : text, options)
  let yields = 0
  for (;;) {
    const step = slices.next()
    if (step.done) return { value: step.value, yields }
    yields += 1
  }
}

/** What parsing at once and parsing in slices come to: a text of the value, or the kind of failure. */
function outcomes(text: string | Uint8Array, options = OPTIONS): [atOnce: string, inSlices: string] {
  const outcome = (parse: () => JsonValue) => {
    try {
      return JSON.stringify(parse())
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error
      return 'refused'
    }
  }
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  return [outcome(() => parseJson(bytes, options)), outcome(() => parseLong(bytes, options).value)]
}

/** Long enough to be taken apart. */
const ENTRY = JSON.stringify({ type: 'm.room.member', content: { membership: 'join', big: 'x'.repeat(900) } })
const long = (entries: readonly string[]) => `{"state": [${entries.join(',')}], "other": {"a": [1, 2]}}`
const MANY = new Array(1_000).fill(ENTRY) as string[]

describe('a long JSON text in slices', () => {
  it('gives the same value, and yields after each part', () => {
    const { value, yields } = parseLong(long(MANY))
    assert.deepEqual(value, JSON.parse(long(MANY)))
    assert.ok(yields > 10, `${yields} yields`)
  })

  it('keeps odd numbers, keys named as members of objects, and characters of any length', () => {
    const odd = '{"__proto__": 1.0, "constructor": 123456789012345678901234567890, "text": "aé漢🎉\\"],[{"}'
    const text = long([...MANY, odd])
    const [atOnce, inSlices] = outcomes(text)
    assert.equal(inSlices, atOnce)
    assert.match(inSlices, /"__proto__":1\.0,"constructor":123456789012345678901234567890/)
  })

  const BAD: Readonly<Record<string, string>> = {
    'an entry missing': long([...MANY, '', ...MANY]),
    'an entry missing at the end': long([...MANY, '']),
    'an entry missing at the beginning': long(['', ...MANY]),
    'a closing bracket too many': long([...MANY, '1]']),
    'brackets of two kinds': long([...MANY, '{"a": 1]']),
    'a key twice in an entry': long([...MANY, '{"a": 1, "a": 2}']),
    'a key twice at the top': `${long(MANY).slice(0, -1)}, "state": []}`,
    'a key twice, written differently': `${long(MANY).slice(0, -1)}, "st\\u0061te": []}`,
    'a lone surrogate': long([...MANY, '"\\ud800"']),
    'too much nesting': long([...MANY, `${'['.repeat(99)}${']'.repeat(99)}`]),
    'no key': long(MANY).replace('"state":', ''),
    'a key that is no string': long(MANY).replace('"state"', '1'),
    'a comma too many at the top': `${long(MANY).slice(0, -1)},}`,
    'text after the end': `${long(MANY)} {}`,
    'no end': long(MANY).slice(0, -1),
    'a string without an end': long([...MANY, '"a']),
  }
  for (const [name, text] of Object.entries(BAD)) {
    it(`refuses ${name}`, () => assert.deepEqual(outcomes(text), ['refused', 'refused']))
  }

  it('allows as much nesting', () => {
    const deep = (levels: number) => long([...MANY, `${'['.repeat(levels)}${']'.repeat(levels)}`])
    const [atOnce, inSlices] = outcomes(deep(98))
    assert.notEqual(atOnce, 'refused')
    assert.equal(inSlices, atOnce)
  })

  it('takes apart long objects and lists, however they stand in each other', () => {
    const members = Array.from({ length: 20_000 }, (_, n) => `"k${n}": [${n}, 1.50, {"__proto__": ${n}}]`)
    const text = `[1, {"a": {"b": [[${MANY.join()}], {${members.join()}}]}}, "end"]`
    const [atOnce, inSlices] = outcomes(text)
    assert.equal(inSlices, atOnce)
    const { yields } = parseLong(text)
    assert.ok(yields > Buffer.byteLength(text) / 20_000, `${yields} yields for ${text.length} characters`)
    for (const odd of [
      text.replace('"k9999":', '"k9998":'),
      text.replace('"k777": ', ''),
      text.replace(', 1.50', ','),
    ]) {
      assert.deepEqual(outcomes(odd), ['refused', 'refused'])
    }
  })

  it('refuses much that stands very deep, and takes an event that nests very deep', () => {
    const nest = (levels: number, inner: string) => `${'{"a":['.repeat(levels)}${inner}${']}'.repeat(levels)}`
    const options = { depthMax: 65_536, lossless: true }
    const event = nest(8_000, '1.50')
    const [atOnce, inSlices] = outcomes(`[${event}, ${event}]`, { ...options, depthMax: 10 })
    assert.deepEqual([atOnce, inSlices], ['refused', 'refused'])
    assert.doesNotThrow(() => parseLong(`[${event}, ${event}]`, options))
    assert.throws(() => parseLong(nest(60, `[${MANY.join()}]`), options), { errcode: 'M_BAD_JSON' })
    assert.doesNotThrow(() => parseLong(nest(40, `[${MANY.join()}]`), options))
  })

  it('counts values and keys of one object, exactly', () => {
    const keys = (count: number) => `{"pad": "${'x'.repeat(70_000)}"${manyKeys(count - 1)}}`
    const manyKeys = (count: number) => Array.from({ length: count }, (_, n) => `, "k${n}": 1`).join('')
    const parse = (count: number, limits: object) => parseLong(keys(count), { ...OPTIONS, ...limits })
    parse(20, { keysMax: 20, valuesMax: 20 })
    const isTooLarge = (error: unknown) => error instanceof MatrixError && error.errcode === 'M_TOO_LARGE'
    assert.throws(() => parse(21, { keysMax: 20 }), isTooLarge)
    assert.throws(() => parse(21, { valuesMax: 20 }), isTooLarge)
  })

  it('refuses what is not UTF-8, and a byte order mark', () => {
    assert.deepEqual(outcomes(Buffer.concat([Buffer.from(long(MANY)), Buffer.of(0xff)])), ['refused', 'refused'])
    assert.deepEqual(outcomes(`\ufeff${long(MANY)}`), ['refused', 'refused'])
  })

  it('comes to the same for any JSON, whole or broken', () => {
    const texts = fc.tuple(fc.json(), fc.json(), fc.nat(), fc.constantFrom('', ',', ']', '}', '"', '1', ' '))
    fc.assert(
      fc.property(texts, ([entry, member, at, broken]) => {
        const text = `{ "list" : [${entry},${`"${'y'.repeat(140_000)}"`},${entry} ] , "m": ${member} }`
        // Inside the long string nothing happens.
        const place = at % 2 === 0 ? at % 100 : text.length - (at % 100)
        for (const tried of [text, entry, text.slice(0, place) + broken + text.slice(place)]) {
          const [atOnce, inSlices] = outcomes(tried)
          assert.equal(inSlices, atOnce)
        }
      }),
      { numRuns: 20 },
    )
  })
})

describe('a text with a flawed entry in a list', () => {
  const spare = (text: string, options = OPTIONS) => {
    const slices = parseSparing(Buffer.from(text), options)
    for (;;) {
      const step = slices.next()
      if (step.done) return step.value
    }
  }

  it('has null in its place, and the text as most parsers read it', () => {
    const { value, asMostRead } = spare('{ "pdus" : [{"a":1.0}, {"b":1,"b":2} ,["\\ud800"], 5], "n": {"c": 1e3} }')
    assert.equal(JSON.stringify(value), '{"pdus":[{"a":1.0},null,null,5],"n":{"c":1e3}}')
    assert.equal(JSON.stringify(asMostRead), '{"pdus":[{"a":1.0},{"b":2},["\\ud800"],5],"n":{"c":1e3}}')
  })

  it('loses one that nests too deep', () => {
    const { value } = spare('{"pdus":[[[]],[[[]]]]}', { depthMax: 4, lossless: true })
    assert.deepEqual(value, { pdus: [[[]], null] })
  })

  it('is refused for flaws elsewhere, and for what is no JSON', () => {
    for (const text of ['{"a":1,"a":2}', '{"a":{"b":1,"b":2},"c":[]}', '[{"b":1,"b":2}]', '{"\\ud800":[]}']) {
      assert.throws(() => spare(text), { errcode: 'M_BAD_JSON' }, text)
    }
    for (const text of ['{"a":[{"b":1,"b":2},x]}', '{"a":[{"b":1,"b":2},]}', '{"a":[{"b":1,"b":2}}', '']) {
      assert.throws(() => spare(text), { errcode: 'M_NOT_JSON' }, text)
    }
    const large = `{"a":[{"b":1,"b":"${'x'.repeat(1_100_000)}"}]}`
    assert.throws(() => spare(large), { errcode: 'M_BAD_JSON' })
  })

  it('without one is read as ever', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const [atOnce, inSlices] = outcomes(text)
        assert.equal(inSlices, atOnce)
        if (atOnce === 'refused') return
        const { value, asMostRead } = spare(text)
        assert.equal(value, asMostRead)
        assert.equal(JSON.stringify(value), atOnce)
      }),
      { numRuns: 50 },
    )
  })
})
