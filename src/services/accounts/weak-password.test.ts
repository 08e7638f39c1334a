import assert from 'node:assert/strict'
import { it } from 'node:test'
import { weakness } from './weak-password.ts'

const NAMES = ['rosalind', 'example.org']

it('says what is weak about a password', () => {
  for (const [password, reason] of [
    ['', /at least 10/],
    ['a'.repeat(9), /at least 10/],
    ['💖💖💖💖💖', /at least 10/],
    ['aaaaaaaaaaaa', /repeats/],
    ['abababababab', /repeats/],
    ['abcdefghijkl', /row/],
    ['1234567890', /row/],
    ['0987654321', /row/],
    ['Password123', /tried first/],
    ['qwertyuiop', /tried first/],
    ['Rosalind1958', /"rosalind"/],
    ['example.org1', /"example\.org"/],
  ] as const) {
    assert.match(weakness(password, NAMES) ?? 'fine', reason, password)
  }
})

it('lets others pass', () => {
  for (const password of [
    'open sesame',
    'dgK3_x9Q-p',
    'Rosalind and the owl',
    'ein langes Passwort',
    '€uro & cénts ¥',
  ]) {
    assert.equal(weakness(password, NAMES), null, password)
  }
})
