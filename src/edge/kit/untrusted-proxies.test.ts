import assert from 'node:assert/strict'
import { it } from 'node:test'
import { startHearth } from '#test/harness/hearth.ts'

const VERSIONS = '/_matrix/client/versions'
const FORWARDED = { 'x-forwarded-for': '203.0.113.7' }

it('a proxy that is not trusted is warned of, once', async () => {
  await using hearth = await startHearth()
  await hearth.request('GET', VERSIONS)
  const warnings = () => hearth.logged.filter((line) => line.includes('is not in trusted_proxies'))
  assert.equal(warnings().length, 0)
  await hearth.request('GET', VERSIONS, { headers: FORWARDED })
  await hearth.request('GET', VERSIONS, { headers: { forwarded: 'for=203.0.113.8' } })
  assert.equal(warnings().length, 1)
  assert.match(warnings()[0] ?? '', /127\.0\.0\.1/)
})

it('one that is trusted is not', async () => {
  await using hearth = await startHearth({ trusted_proxies: ['127.0.0.1'] })
  await hearth.request('GET', VERSIONS, { headers: FORWARDED })
  assert.ok(!hearth.logged.some((line) => line.includes('trusted_proxies')))
})
