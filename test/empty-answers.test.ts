/** What clients ask of every server, and this one has nothing to say about yet. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { startHearth } from '#test/harness/hearth.ts'

it('clients get an empty answer, not an error, where there is nothing to tell', async () => {
  await using hearth = await startHearth()
  const { token } = await hearth.user('alice')
  for (const path of [
    '/voip/turnServer',
    '/thirdparty/protocols',
    '/_matrix/client/v1/media/config',
    '/_matrix/media/v3/config',
  ]) {
    const reply = await hearth.request('GET', path, { token })
    assert.deepEqual([reply.status, reply.body], [200, {}], path)
    assert.equal((await hearth.request('GET', path)).body.errcode, 'M_MISSING_TOKEN')
  }
})
