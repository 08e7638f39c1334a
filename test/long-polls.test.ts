// A long poll is only as good as the session it was begun with.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Hearth, startHearth } from '#test/harness/hearth.ts'

for (const path of ['/logout', '/logout/all']) {
  test(`a waiting sync ends with M_UNKNOWN_TOKEN on ${path}`, async () => {
    await using hearth = await startHearth()
    const { token } = await hearth.user('alice')
    const { body } = await hearth.request('GET', '/sync', { token })
    const begun = untilWaiting(hearth)
    const waiting = hearth.request('GET', `/sync?since=${body.next_batch}&timeout=60000`, { token })
    await begun
    await hearth.request('POST', path, { token })
    const answer = await waiting
    assert.equal(answer.status, 401)
    assert.equal(answer.body.errcode, 'M_UNKNOWN_TOKEN')
  })
}

test('a waiting sync whose client goes away is given up, not built once more', async () => {
  await using hearth = await startHearth()
  const { token } = await hearth.user('alice')
  const { body } = await hearth.request('GET', '/sync', { token })
  const begun = untilWaiting(hearth)
  const client = new AbortController()
  const waiting = fetch(`${hearth.url}/_matrix/client/v3/sync?since=${body.next_batch}&timeout=60000`, {
    headers: { authorization: `Bearer ${token}` },
    signal: client.signal,
  })
  await begun
  client.abort()
  await assert.rejects(waiting)
  const isGivenUp = (line: string) => line.includes('"operation":"sync"') && line.includes('AbandonedError')
  while (!hearth.logged.some(isGivenUp)) await new Promise(setImmediate)
  assert.ok(!hearth.logged.some((line) => line.includes('"level":50')))
})

/** Resolves when the next long poll has begun to wait. */
function untilWaiting({ services: { notifier } }: Hearth): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const wait = notifier.wait.bind(notifier)
  notifier.wait = (...args) => {
    resolve()
    return wait(...args)
  }
  return promise
}
