import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import {
  TRANSACTION_BYTES_MAX,
  TRANSACTION_EDUS_MAX,
  TRANSACTION_PDUS_MAX,
  transactionOf,
} from '#services/federation/outbound/transaction.ts'

const of = (pdus: readonly JsonObject[], edus: readonly JsonObject[] = []) =>
  transactionOf('us.example' as ServerName, 7, pdus, edus)
const many = (count: number) => Array.from({ length: count }, (_, n) => ({ n }))

test('a transaction has its members', () => {
  const { body } = of([{ n: 1 }], [{ edu_type: 'x', content: {} }])
  assert.deepEqual(body, {
    origin: 'us.example',
    origin_server_ts: 7,
    pdus: [{ n: 1 }],
    edus: [{ edu_type: 'x', content: {} }],
  })
  assert.deepEqual(of([{ n: 1 }]).body, { origin: 'us.example', origin_server_ts: 7, pdus: [{ n: 1 }] })
})

test('fifty PDUs and a hundred EDUs fit, no more', () => {
  for (const more of [0, 1]) {
    const transaction = of(many(TRANSACTION_PDUS_MAX + more), many(TRANSACTION_EDUS_MAX + more))
    assert.deepEqual([transaction.pdus, transaction.edus], [TRANSACTION_PDUS_MAX, TRANSACTION_EDUS_MAX])
    const { pdus, edus } = transaction.body as { pdus: object[]; edus: object[] }
    assert.deepEqual([pdus.length, edus.length], [TRANSACTION_PDUS_MAX, TRANSACTION_EDUS_MAX])
  }
})

test('it stays below the longest body, but one item always fits', () => {
  const big = { text: 'x'.repeat(TRANSACTION_BYTES_MAX / 3) }
  assert.deepEqual([of([big, big, big]).pdus, of([big], [big, big]).edus], [2, 1])
  const huge = { text: 'x'.repeat(2 * TRANSACTION_BYTES_MAX) }
  assert.deepEqual([of([huge, big]).pdus, of([], [huge, big]).edus], [1, 1])
})

test('what is no canonical JSON is left out and counts as done (S40)', () => {
  const bad = { depth: 2 ** 60 }
  const transaction = of([{ n: 1 }, bad, { n: 2 }], [bad])
  assert.deepEqual(transaction.body['pdus'], [{ n: 1 }, { n: 2 }])
  assert.deepEqual([transaction.pdus, transaction.edus, transaction.dropped], [3, 1, 2])
})
