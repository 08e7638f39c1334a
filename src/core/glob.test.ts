import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { asciiLowerCase, globMatches, globMatchesIgnoringCase, globSteps } from '#core/glob.ts'

test('a star stands for any run of characters, a question mark for exactly one', () => {
  const cases: [string, string, boolean][] = [
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['?', '', false],
    ['a*', 'a', true],
    ['*.evil.com', 'x.evil.com', true],
    ['*.evil.com', 'evil.com', false],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['a*b*c', 'aXbXbc', true],
    ['a*b*c', 'aXbXbcd', false],
    ['?*', 'é', true],
    ['?', '😀', true],
    ['??', '😀', false],
    ['*?', '😀', true],
    ['a.c', 'abc', false],
    ['[a-z]', 'b', false],
    ['\\*', '\\anything', true],
    ['A', 'a', false],
  ]
  for (const [pattern, text, expected] of cases)
    assert.equal(globMatches(pattern, text), expected, `${pattern} ${text}`)
})

test('J11: without regard to case means ASCII letters only', () => {
  assert.equal(globMatchesIgnoringCase('*.EVIL.com', 'X.evil.COM'), true)
  assert.equal(globMatchesIgnoringCase('k', '\u212a'), false)
  assert.equal(globMatchesIgnoringCase('É', 'é'), false)
  assert.equal(asciiLowerCase('ABCİÉ'), 'abcİÉ')
})

/** By definition: try each way. */
function matchesNaively(pattern: string[], text: string[]): boolean {
  const [first, ...rest] = pattern
  if (first === undefined) return text.length === 0
  if (first === '*') return text.some((_, i) => matchesNaively(rest, text.slice(i))) || matchesNaively(rest, [])
  return text.length > 0 && (first === '?' || first === text[0]) && matchesNaively(rest, text.slice(1))
}

test('matching is as defined', () => {
  const pattern = fc.array(fc.constantFrom('a', 'b', '*', '?', '😀'), { maxLength: 8 })
  const text = fc.array(fc.constantFrom('a', 'b', '😀'), { maxLength: 10 })
  fc.assert(
    fc.property(pattern, text, (p, t) => {
      assert.equal(globMatches(p.join(''), t.join('')), matchesNaively(p, t))
    }),
    { numRuns: 3000 },
  )
})

test('S50: no pattern takes more than pattern times text', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', 'b', '*', '?') }),
      fc.string({ unit: fc.constantFrom('a', 'b') }),
      (p, t) => {
        assert.ok(globSteps(p, t) <= (p.length + 1) * (t.length + 1))
      },
    ),
    { numRuns: 3000 },
  )
  const hostile = `${'*a'.repeat(120)}*b`
  const text = 'a'.repeat(5000)
  assert.ok(globSteps(hostile, text) <= (hostile.length + 1) * (text.length + 1))
  assert.equal(globMatches(hostile, text), false)
})
