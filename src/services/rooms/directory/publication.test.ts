import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { forbidden } from '#core/matrix-error.ts'
import type { PublicationRule } from '#services/rooms/directory/publication.ts'
import { roomFixture } from '#test/rooms/room-fixture.ts'

const REFUSED = { errcode: forbidden('').errcode }

async function world(publication: readonly PublicationRule[]) {
  const fixture = await roomFixture({ publication })
  const alice = await fixture.user('alice')
  const make = (name: string) =>
    fixture.rooms.creation.create(alice.userId, { visibility: 'public', room_alias_name: name })
  return { fixture, alice, make, [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose]() }
}

describe('the rules of publication', () => {
  it('the first one that fits decides, by user, alias and room', async () => {
    await using rules = await world([
      { action: 'deny', alias: '#secret-*' },
      { action: 'allow', user_id: '@alice:*', room_id: '!*' },
    ])
    await rules.make('open')
    await assert.rejects(rules.make('secret-club'), REFUSED)
    const bob = await rules.fixture.user('bob')
    await assert.rejects(rules.fixture.rooms.creation.create(bob.userId, { visibility: 'public' }), REFUSED)
    assert.equal((await rules.fixture.rooms.directory.list({})).chunk.length, 1)
  })

  it('hold for a room that exists, whoever owns it, and never for taking it off the list', async () => {
    await using rules = await world([{ action: 'deny', alias: '#club:*' }, { action: 'allow' }])
    const roomId = await rules.fixture.rooms.creation.create(rules.alice.userId, { room_alias_name: 'club' })
    const { directory } = rules.fixture.rooms
    await assert.rejects(directory.setVisibility(rules.alice, roomId, 'public'), REFUSED)
    assert.equal(await directory.visibility(roomId), 'private')
    await directory.setVisibility(rules.alice, roomId, 'private')
  })

  it('without any that fits nobody publishes', async () => {
    await using rules = await world([])
    await assert.rejects(rules.make('open'), REFUSED)
  })
})
