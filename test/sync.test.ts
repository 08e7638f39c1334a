// `/sync` where the random histories of test/system don't lead.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startHearth } from '#test/harness/hearth.ts'

test('a token from before a backup was restored starts from scratch', async () => {
  await using hearth = await startHearth()
  const { token } = await hearth.user('alice')
  const { body: room } = await hearth.request('POST', '/createRoom', { token, body: {} })
  const { body: first } = await hearth.request('GET', '/sync', { token })
  const ahead = first.next_batch.replace(/^s1_(\d+)_/, (_: string, position: string) => `s1_${Number(position) + 1}_`)
  const { body } = await hearth.request('GET', `/sync?since=${ahead}&timeout=60000`, { token })
  assert.equal(body.rooms.join[room.room_id].timeline.events[0].type, 'm.room.create')
  assert.equal(body.next_batch, first.next_batch)
})

test('the state after the timeline comes under the name by which it was asked for', async () => {
  await using hearth = await startHearth()
  const { token } = await hearth.user('alice')
  const { body: room } = await hearth.request('POST', '/createRoom', { token, body: { name: 'Hearth' } })
  for (const prefix of ['', 'org.matrix.msc4222.']) {
    const { body } = await hearth.request('GET', `/sync?${prefix}use_state_after=true`, { token })
    const joined = body.rooms.join[room.room_id]
    const types = joined[`${prefix}state_after`].events.map(({ type }: { type: string }) => type)
    assert.ok(types.includes('m.room.name'))
    assert.equal(joined.state, undefined)
  }
})
