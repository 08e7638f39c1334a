import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatToken, parseToken, type Token } from '#services/timeline/tokens.ts'

test('what is formatted parses back', () => {
  const tokens: Token[] = [
    { kind: 'stream', position: 0, epoch: 'a1', sequence: 0 },
    { kind: 'stream', position: 999_999_999_999_999, epoch: '0f3k', sequence: 12 },
    { kind: 'stream', position: 9, epoch: 'a1', sequence: 3, toDevice: 7 },
    { kind: 'timeline', rank: 17 },
    { kind: 'timeline', rank: -4 },
  ]
  for (const token of tokens) assert.deepEqual(parseToken(formatToken(token)), token)
})

test('J14: a token that is not exactly ours is M_INVALID_PARAM', () => {
  for (const text of [
    '',
    's1_1',
    's1_1e3_a_0',
    's1_-1_a_0',
    't1_0x10',
    't1_1 ',
    's2_1_a_0',
    's1_1_a_0\n',
    's1_1_a_0_',
    's1_1_a_0_-1',
    's1_1_a_0_1_1',
    't1_9999999999999999',
  ]) {
    assert.throws(() => parseToken(text), { errcode: 'M_INVALID_PARAM' }, JSON.stringify(text))
  }
})
