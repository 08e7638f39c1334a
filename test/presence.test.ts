// Presence through the client API, and as other servers tell it.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ServerName } from '#core/ids.ts'
import { type Hearth, startHearth, type TestUser } from '#test/harness/hearth.ts'

const statusOf = (userId: string) => `/presence/${encodeURIComponent(userId)}/status`

async function roomOf(hearth: Hearth, owner: TestUser, ...others: TestUser[]): Promise<string> {
  const body = { preset: 'public_chat' }
  const { body: room } = await hearth.request('POST', '/createRoom', { token: owner.token, body })
  for (const { token } of others) await hearth.request('POST', `/join/${room.room_id}`, { token, body: {} })
  return room.room_id
}

/** By default without becoming visible. */
async function sync(hearth: Hearth, { token }: TestUser, query = '', as = 'offline') {
  const { body } = await hearth.request('GET', `/sync?set_presence=${as}&${query}`, { token })
  const presence = body.presence.events.map((event: { sender: string; content: { presence: string } }) => [
    event.sender,
    event.content.presence,
  ])
  return { presence: presence as [string, string][], next: body.next_batch as string, events: body.presence.events }
}

describe('presence', () => {
  it('is told to those who share a room, and to nobody else', async () => {
    await using hearth = await startHearth()
    const [alice, bob, carol] = [await hearth.user('alice'), await hearth.user('bob'), await hearth.user('carol')]
    await roomOf(hearth, alice, bob)
    const before = await sync(hearth, bob)
    const aside = await sync(hearth, carol)
    const news = sync(hearth, bob, `since=${before.next}&timeout=30000`)
    const body = { presence: 'unavailable', status_msg: 'at lunch' }
    const put = await hearth.request('PUT', statusOf(alice.userId), { token: alice.token, body })
    assert.equal(put.status, 200)
    assert.deepEqual((await news).events, [
      {
        type: 'm.presence',
        sender: alice.userId,
        content: { presence: 'unavailable', status_msg: 'at lunch', last_active_ago: 0 },
      },
    ])
    assert.deepEqual((await sync(hearth, carol, `since=${aside.next}`)).presence, [])
    hearth.advance(1000)
    const seen = await hearth.request('GET', statusOf(alice.userId), { token: bob.token })
    assert.deepEqual(seen.body, { presence: 'unavailable', status_msg: 'at lunch', last_active_ago: 1000 })
    const refused = await hearth.request('GET', statusOf(alice.userId), { token: carol.token })
    assert.deepEqual([refused.status, refused.body.errcode], [403, 'M_FORBIDDEN'])
    const own = await hearth.request('GET', statusOf(carol.userId), { token: carol.token })
    assert.deepEqual(own.body, { presence: 'offline' })
    const other = await hearth.request('PUT', statusOf(alice.userId), { token: bob.token, body })
    assert.deepEqual([other.status, other.body.errcode], [403, 'M_FORBIDDEN'])
  })

  it('follows from syncing, by set_presence', async () => {
    await using hearth = await startHearth()
    const [alice, bob] = [await hearth.user('alice'), await hearth.user('bob')]
    await roomOf(hearth, alice, bob)
    assert.deepEqual((await sync(hearth, bob)).presence, [])
    await hearth.request('GET', '/sync', { token: alice.token })
    const first = await sync(hearth, bob)
    assert.deepEqual(first.presence, [[alice.userId, 'online']])
    await hearth.request('GET', '/sync?set_presence=unavailable', { token: alice.token })
    const second = await sync(hearth, bob, `since=${first.next}`)
    assert.deepEqual(second.presence, [[alice.userId, 'unavailable']])
    assert.deepEqual((await sync(hearth, bob, `since=${second.next}`)).presence, [])
    await hearth.request('GET', '/sync?set_presence=offline', { token: alice.token })
    assert.deepEqual((await sync(hearth, bob, `since=${second.next}`)).presence, [])
    await hearth.request('GET', '/sync', { token: alice.token })
    assert.deepEqual((await sync(hearth, bob, `since=${second.next}`)).presence, [[alice.userId, 'online']])
  })

  it('is shown by the older endpoints too, to those who share a room', async () => {
    await using hearth = await startHearth()
    const [alice, bob, carol] = [await hearth.user('alice'), await hearth.user('bob'), await hearth.user('carol')]
    const roomId = await roomOf(hearth, alice, bob)
    await hearth.request('PUT', statusOf(alice.userId), { token: alice.token, body: { presence: 'online' } })
    const get = async (user: TestUser, path: string) => (await hearth.request('GET', path, { token: user.token })).body
    const content = { presence: 'online', last_active_ago: 0, currently_active: true }
    const event = { type: 'm.presence', sender: alice.userId, content }
    assert.deepEqual((await get(bob, '/initialSync')).presence, [event])
    assert.deepEqual((await get(bob, `/rooms/${roomId}/initialSync`)).presence, [event])
    assert.deepEqual((await get(carol, '/initialSync')).presence, [])
    const { end } = await get(bob, '/events')
    const news = get(bob, `/events?from=${end}&timeout=30000`)
    await hearth.request('PUT', statusOf(alice.userId), { token: alice.token, body: { presence: 'unavailable' } })
    const changed = { ...event, content: { presence: 'unavailable', last_active_ago: 0 } }
    assert.deepEqual((await news).chunk, [changed])
    await hearth.request('PUT', `/user/${bob.userId}/account_data/m.ignored_user_list`, {
      token: bob.token,
      body: { ignored_users: { [alice.userId]: {} } },
    })
    assert.deepEqual((await get(bob, '/initialSync')).presence, [])
  })

  it('reaches who comes into a room, and who is there already', async () => {
    await using hearth = await startHearth()
    const [alice, bob] = [await hearth.user('alice'), await hearth.user('bob')]
    const body = { presence: 'online' }
    for (const { userId, token } of [alice, bob]) await hearth.request('PUT', statusOf(userId), { token, body })
    const [ofAlice, ofBob] = [await sync(hearth, alice, '', 'online'), await sync(hearth, bob, '', 'online')]
    await roomOf(hearth, alice, bob)
    await hearth.services.presence.idle()
    assert.deepEqual(
      (await sync(hearth, bob, `since=${ofBob.next}`, 'online')).presence.toSorted(),
      [alice, bob].map(({ userId }) => [userId, 'online']),
    )
    const told = (await sync(hearth, alice, `since=${ofAlice.next}`, 'online')).presence
    assert.deepEqual(
      told.toSorted(),
      [alice, bob].map(({ userId }) => [userId, 'online']),
    )
  })

  it('is left out by filters, and off altogether by the configuration', async () => {
    await using hearth = await startHearth()
    const alice = await hearth.user('alice')
    const body = { presence: 'online' }
    await hearth.request('PUT', statusOf(alice.userId), { token: alice.token, body })
    const none = encodeURIComponent(JSON.stringify({ presence: { not_types: ['m.presence'] } }))
    assert.deepEqual((await sync(hearth, alice, `filter=${none}`, 'online')).presence, [])
    assert.deepEqual((await sync(hearth, alice, '', 'online')).presence, [[alice.userId, 'online']])

    await using quiet = await startHearth({ presence: false })
    const bob = await quiet.user('bob')
    const { status } = await quiet.request('PUT', statusOf(bob.userId), { token: bob.token, body })
    assert.equal(status, 200)
    await quiet.request('GET', '/sync', { token: bob.token })
    assert.deepEqual((await sync(quiet, bob)).presence, [])
    const answer = await quiet.request('GET', statusOf(bob.userId), { token: bob.token })
    assert.deepEqual(answer.body, { presence: 'offline' })
  })

  it('of a server is believed about its own users alone (S20)', async () => {
    await using hearth = await startHearth()
    const [alice, bob] = [await hearth.user('alice'), await hearth.user('bob')]
    await roomOf(hearth, alice, bob)
    const { presence } = hearth.services
    const update = { user_id: bob.userId, presence: 'online', last_active_ago: 5000, status_msg: 'here' }
    const origin = 'evil.example' as ServerName
    for (const push of [[update], update, null, [null, { ...update, user_id: 1 }]]) {
      await presence.receive(origin, { edu_type: 'm.presence', content: { push } })
    }
    assert.deepEqual((await sync(hearth, alice)).presence, [])
    const own = 'hearth.example' as ServerName
    await presence.receive(own, { edu_type: 'm.presence', content: { push: [{}, update] } })
    const { events } = await sync(hearth, alice)
    const content = { presence: 'online', status_msg: 'here', last_active_ago: 5000, currently_active: false }
    assert.deepEqual(events, [{ type: 'm.presence', sender: bob.userId, content }])
  })
})
