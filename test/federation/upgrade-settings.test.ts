/** Personal settings follow a room that was upgraded on another server. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, it } from 'node:test'
import type { RoomId } from '#core/ids.ts'
import { type Member, SmallFederation, type User } from '#test/federation/harness/small-federation.ts'

let federation: SmallFederation
let a: Member
let b: Member
let alice: User
let bob: User
beforeEach(async () => {
  federation = new SmallFederation()
  a = await federation.server('a.test')
  b = await federation.server('b.test')
  alice = await a.user('alice')
  bob = await b.user('bob')
})
afterEach(async () => {
  await federation[Symbol.asyncDispose]()
  assert.deepEqual(federation.defects, [])
})

it('tags, push rules and m.direct are there when the user joins', async () => {
  const old = await alice.createRoom({ preset: 'public_chat', room_version: '11' })
  assert.equal((await bob.join(old, a)).status, 200)
  await b.services.federation.memberships.partialStates.idle()
  const account = `/user/${encodeURIComponent(bob.userId)}`
  const room = encodeURIComponent(old)
  await bob.put(`${account}/rooms/${room}/tags/work`, { order: 0.25 })
  await bob.put(`${account}/account_data/m.direct`, { [alice.userId]: [old] })
  await bob.put(`/pushrules/global/room/${room}`, { actions: [] })
  const upgraded = await alice.room(old, 'upgrade', { new_version: '12' })
  const next: RoomId = upgraded.body.replacement_room
  assert.equal((await bob.join(next, a)).status, 200)
  const tags = await bob.get(`${account}/rooms/${encodeURIComponent(next)}/tags`)
  assert.deepEqual(tags.body, { tags: { work: { order: 0.25 } } })
  assert.deepEqual((await bob.get(`${account}/account_data/m.direct`)).body, { [alice.userId]: [old, next] })
  assert.equal((await bob.get(`/pushrules/global/room/${encodeURIComponent(next)}`)).status, 200)
})
