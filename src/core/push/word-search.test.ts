import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { hasWord, hasWordMatch } from './word-search.ts'

const CASES: readonly [pattern: string, text: string, matches: boolean][] = [
  ['cake', 'cake', true],
  ['cake', 'a cake!', true],
  ['cake', 'cakes', false],
  ['cake', 'pancake', false],
  ['cake', 'pancake cake', true],
  ['cake', 'cake_', false],
  ['cake', 'cake1', false],
  ['cake', 'écaké', false],
  ['cake', 'écakeé', true],
  ['cake*', 'cakes', true],
  ['*cake', 'pancake', true],
  ['ex*ple', 'exple', true],
  ['ex*ple', 'an exciting triple-whammy', true],
  ['ex*ple', 'an exciting triplewhammy', false],
  ['ex*ple', 'anexciting triple', false],
  ['ca?e', 'a cafe', true],
  ['ca?e', 'a cae', false],
  ['c?', 'c😀', true],
  ['c??', 'c😀', false],
  ['?', '😀', true],
  ['a*b*c', 'a xbx c', true],
  ['a*b*c', 'a c', false],
  ['@room', 'hey @room!', true],
  ['@room', 'hey@room', false],
  ['two words', 'these two words match', true],
  ['*', '', true],
  ['', 'word', false],
  ['cake', '', false],
  ['(a+)+', 'x (a+)+ y', true],
  ['a.c', 'abc', false],
]

describe('hasWordMatch', () => {
  for (const [pattern, text, matches] of CASES) {
    it(`${matches ? 'finds' : 'does not find'} ${pattern} in ${JSON.stringify(text)}`, () => {
      assert.equal(hasWordMatch(text, pattern), matches)
    })
  }

  it('agrees with the rule as a regular expression', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '.', '😀'), maxLength: 14 })
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '.', '*', '?'), minLength: 1, maxLength: 7 })
    fc.assert(
      fc.property(pattern, text, (glob, body) => {
        const source = glob.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.')
        const rule = new RegExp(`(?<![a-z0-9_])${source}(?![a-z0-9_])`, 'su')
        assert.equal(hasWordMatch(body, glob), rule.test(body))
      }),
      { numRuns: 5_000 },
    )
  })

  it('has a bounded cost (S50)', () => {
    const text = 'a'.repeat(8_192)
    const evil = [
      'a*'.repeat(127),
      `${'?'.repeat(250)}b`,
      `${'a'.repeat(250)}b`,
      `${'*a'.repeat(100)}b`,
      '?*'.repeat(127),
    ]
    const started = process.cpuUsage()
    for (const pattern of evil) hasWordMatch(text, `${pattern}x`)
    const { user } = process.cpuUsage(started)
    assert.ok(user < 2_000_000, `took ${user} µs`)
  })
})

describe('hasWord', () => {
  const NEEDLES: readonly [needle: string, text: string, matches: boolean][] = [
    ['bob', 'hi bob', true],
    ['bob', 'bobby, bob', true],
    ['bob', 'bobby', false],
    ['*', 'a * b', true],
    ['*', 'bob', false],
    ['b?b', 'bob', false],
    ['[x] 😀', 'to [x] 😀.', true],
    ['', '', true],
    ['', 'a', false],
  ]
  for (const [needle, text, matches] of NEEDLES) {
    it(`${matches ? 'finds' : 'does not find'} ${needle} in ${JSON.stringify(text)}`, () => {
      assert.equal(hasWord(text, needle), matches)
    })
  }
})
