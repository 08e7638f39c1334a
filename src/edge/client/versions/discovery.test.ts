/** What clients ask before anything else: versions, capabilities, well-known. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { type Hearth, startHearth } from '#test/harness/hearth.ts'
import { assertMatchesSpec } from '#test/schema-check.ts'

let hearth: Hearth
before(async () => {
  hearth = await startHearth()
})
after(() => hearth[Symbol.asyncDispose]())

it('versions are shown to anybody', async () => {
  const reply = await hearth.request('GET', '/_matrix/client/versions')
  assertMatchesSpec('getVersions', reply.status, reply.body)
  assert.ok(reply.body.versions.includes('v1.1'))
})

it('capabilities name the room versions, and guests have fewer', async () => {
  const { token } = await hearth.user('alice')
  const reply = await hearth.request('GET', '/capabilities', { token })
  assertMatchesSpec('getCapabilities', reply.status, reply.body)
  const { capabilities } = reply.body
  assert.equal(capabilities['m.room_versions'].default, '12')
  assert.equal(capabilities['m.room_versions'].available['1'], 'stable')
  assert.deepEqual(capabilities['m.change_password'], { enabled: true })
  const guest = (await hearth.request('POST', '/register?kind=guest', { body: {} })).body
  const theirs = await hearth.request('GET', '/capabilities', { token: guest.access_token })
  assert.deepEqual(theirs.body.capabilities['m.change_password'], { enabled: false })
  assert.deepEqual(theirs.body.capabilities['m.profile_fields'], { enabled: true, allowed: ['displayname'] })
})

it('well-known files name the public address', async () => {
  const client = await hearth.request('GET', '/.well-known/matrix/client')
  assertMatchesSpec('getWellknown', client.status, client.body)
  assert.deepEqual(client.body, { 'm.homeserver': { base_url: 'https://matrix.hearth.example' } })
  assert.equal(client.headers.get('access-control-allow-origin'), '*')
  const server = await hearth.request('GET', '/.well-known/matrix/server')
  assertMatchesSpec('getWellKnown', server.status, server.body)
  assert.deepEqual(server.body, { 'm.server': 'matrix.hearth.example:443' })
})
