// `/sync` where the random histories of test/system don't lead.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Event } from '#core/event/event.ts'
import type { ServerName, UserId } from '#core/ids.ts'
import { openStore } from '#store/sql/open.ts'
import type { Store } from '#store/store.ts'
import type { Membership } from '#store/types/memberships.ts'
import { startHearth } from '#test/harness/hearth.ts'
import { QUIET_LOG } from '#test/store/harness.ts'
import { ALICE, BOB, CAROL, RoomFixture } from '#test/store/rooms/room-fixture.ts'

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

test('rooms that this server is not in are told of with what came with the invite, the knock or the leaving', async () => {
  await using hearth = await startHearth()
  const { token, userId } = await hearth.user('alice')
  const waiting = await hearth.request('GET', '/sync', { token })
  await using store = await anotherProcess(hearth.dataDir)
  const invite = await Outside.create(store, userId as UserId, 'invite')
  const knock = await Outside.create(store, userId as UserId, 'knock')
  const stripped = [{ type: 'm.room.name', state_key: '', sender: CAROL, content: { name: 'Elsewhere' } }]
  for (const since of ['', `?since=${waiting.body.next_batch}`]) {
    const { rooms } = (await hearth.request('GET', `/sync${since}`, { token })).body
    const ofInvite = rooms.invite[invite.roomId].invite_state.events
    const ofKnock = rooms.knock[knock.roomId].knock_state.events
    assert.deepEqual([ofInvite.slice(0, -1), ofKnock.slice(0, -1)], [stripped, stripped])
    // The user's own event is whole.
    for (const [events, membership] of [
      [ofInvite, 'invite'],
      [ofKnock, 'knock'],
    ] as const) {
      const { type, content, event_id: id, origin_server_ts: ts, unsigned } = events.at(-1)
      assert.deepEqual(
        [type, content.membership, unsigned.membership, typeof id, typeof ts],
        ['m.room.member', membership, membership, 'string', 'number'],
      )
    }
  }
  const invited = await hearth.request('GET', '/sync', { token })
  const leave = await invite.set('leave')
  const { body } = await hearth.request('GET', `/sync?since=${invited.body.next_batch}`, { token })
  assert.deepEqual(Object.keys(body.rooms.leave), [invite.roomId])
  const left = body.rooms.leave[invite.roomId]
  assert.deepEqual(
    left.timeline.events.map((event: { event_id: string }) => event.event_id),
    [leave.eventId],
  )
  assert.deepEqual(left.state.events, [])
  assert.deepEqual((await hearth.request('GET', '/sync', { token })).body.rooms.leave, {})
  const news = await hearth.request('GET', `/events?from=${waiting.body.next_batch}&timeout=0`, { token })
  assert.deepEqual(
    news.body.chunk.map((event: { room_id: string }) => event.room_id).sort(),
    [invite.roomId, knock.roomId].sort(),
  )
})

test('a hole in a room that other servers write to is told of as a limited timeline', async () => {
  await using hearth = await startHearth()
  const { token } = await hearth.user('alice')
  await using store = await anotherProcess(hearth.dataDir)
  const room = await RoomFixture.create(store)
  await room.append(store, [room.state('m.room.create', ''), room.member(ALICE, 'join')])
  const { body: before } = await hearth.request('GET', '/sync', { token })
  assert.equal(before.rooms.join[room.roomId].timeline.limited, false)
  const near = room.event({ sender: CAROL })
  const missing = room.event({ sender: CAROL })
  const far = room.event({ sender: CAROL })
  const last = room.event({ sender: CAROL })
  await room.append(store, [near, far, last])
  const { body } = await hearth.request('GET', `/sync?since=${before.next_batch}`, { token })
  const { timeline } = body.rooms.join[room.roomId]
  const ids = (events: readonly { event_id: string }[]) => events.map((event) => event.event_id)
  assert.deepEqual(ids(timeline.events), [far.eventId, last.eventId])
  assert.equal(timeline.limited, true)
  await store.write(async (tx) => {
    const [gap] = await tx.backwardExtremities.below(room.nid, Number.MAX_SAFE_INTEGER, 1)
    const { stateAfter: stateBefore } = (await tx.events.byId(near.eventId))!
    const events = [{ event: missing, verdict: 'accepted', stateBefore } as const]
    await tx.events.addHistory({ roomNid: room.nid, beforeRank: gap!.rank, events })
  })
  const path = `/rooms/${room.roomId}/messages?dir=b&limit=2&from=${timeline.prev_batch}`
  const { body: page } = await hearth.request('GET', path, { token })
  assert.deepEqual(ids(page.chunk), [missing.eventId, near.eventId])
})

test('a hole is told of where the filter leaves out all events around it', async () => {
  await using hearth = await startHearth()
  const { token } = await hearth.user('alice')
  await using store = await anotherProcess(hearth.dataDir)
  const room = await RoomFixture.create(store)
  await room.append(store, [room.state('m.room.create', ''), room.member(ALICE, 'join')])
  const filter = encodeURIComponent('{"room":{"timeline":{"types":["m.room.message"]}}}')
  const { body: before } = await hearth.request('GET', `/sync?filter=${filter}`, { token })
  room.event({ sender: CAROL })
  await room.append(store, [room.event({ sender: CAROL, type: 'm.reaction' })])
  const { body } = await hearth.request('GET', `/sync?since=${before.next_batch}&filter=${filter}`, { token })
  const { events, limited } = body.rooms.join[room.roomId].timeline
  assert.deepEqual([events, limited], [[], true])
})

test('who has left sees nothing of later history that was filled in behind them', async () => {
  await using hearth = await startHearth()
  const { token } = await hearth.user('alice')
  await hearth.user('bob')
  await using store = await anotherProcess(hearth.dataDir)
  const room = await RoomFixture.create(store)
  const leave = room.member(ALICE, 'leave')
  const create = room.state('m.room.create', '')
  await room.append(store, [create, room.member(ALICE, 'join'), room.member(BOB, 'join'), leave])
  const missing = room.event({ sender: CAROL })
  await room.append(store, [room.event({ sender: CAROL })])
  await store.write(async (tx) => {
    const [gap] = await tx.backwardExtremities.below(room.nid, Number.MAX_SAFE_INTEGER, 1)
    const { stateAfter: stateBefore } = (await tx.events.byId(leave.eventId))!
    const events = [{ event: missing, verdict: 'accepted', stateBefore } as const]
    await tx.events.addHistory({ roomNid: room.nid, beforeRank: gap!.rank, events })
  })
  for (const dir of ['b', 'f']) {
    const { body } = await hearth.request('GET', `/rooms/${room.roomId}/messages?dir=${dir}`, { token })
    const ids = body.chunk.map((event: { event_id: string }) => event.event_id)
    assert.deepEqual([ids.includes(leave.eventId), ids.includes(missing.eventId)], [true, false])
  }
  const path = `/rooms/${room.roomId}/event/${encodeURIComponent(missing.eventId)}`
  assert.equal((await hearth.request('GET', path, { token })).status, 404)
})

test('a filter with limit 0 gets no event, and is told whether there were some', async () => {
  await using hearth = await startHearth()
  const { token } = await hearth.user('alice')
  const { body: room } = await hearth.request('POST', '/createRoom', { token, body: {} })
  const read = async (timeline: object, since = '') => {
    const filter = encodeURIComponent(JSON.stringify({ room: { timeline } }))
    const { body } = await hearth.request('GET', `/sync?filter=${filter}${since}&full_state=true`, { token })
    const { events, limited } = body.rooms.join[room.room_id].timeline
    return { next: `&since=${body.next_batch}`, told: [events.length, limited] }
  }
  const first = await read({ limit: 0 })
  assert.deepEqual(first.told, [0, true])
  assert.deepEqual((await read({ limit: 0 }, first.next)).told, [0, false])
  await hearth.request('PUT', `/rooms/${room.room_id}/send/m.room.message/1`, { token, body: {} })
  assert.deepEqual((await read({ limit: 0 }, first.next)).told, [0, true])
  assert.deepEqual((await read({ limit: 0, not_types: ['m.room.message'] }, first.next)).told, [0, false])
  assert.deepEqual((await read({ types: [] }, first.next)).told, [0, false])
})

test('a room that the user has entered since the token is limited, also where all of it is there', async () => {
  await using hearth = await startHearth()
  const { token } = await hearth.user('alice')
  const { body: before } = await hearth.request('GET', '/sync', { token })
  const { body: room } = await hearth.request('POST', '/createRoom', { token, body: {} })
  const { body } = await hearth.request('GET', `/sync?since=${before.next_batch}`, { token })
  const { events, limited } = body.rooms.join[room.room_id].timeline
  assert.deepEqual([events[0].type, limited], ['m.room.create', true])
  const { body: fresh } = await hearth.request('GET', '/sync', { token })
  assert.equal(fresh.rooms.join[room.room_id].timeline.limited, false)
})

test('an invite and a knock on this server come with the whole event of the user', async () => {
  await using hearth = await startHearth()
  const [alice, bob] = [await hearth.user('alice'), await hearth.user('bob')]
  const state = [{ type: 'm.room.join_rules', content: { join_rule: 'knock' } }]
  const create = async (body: object) =>
    (await hearth.request('POST', '/createRoom', { token: alice.token, body })).body.room_id
  const invited = await create({ invite: [bob.userId] })
  const knocked = await create({ initial_state: state })
  assert.equal((await hearth.request('POST', `/knock/${knocked}`, { token: bob.token, body: {} })).status, 200)
  const { rooms } = (await hearth.request('GET', '/sync', { token: bob.token })).body
  const own = [rooms.invite[invited].invite_state.events.at(-1), rooms.knock[knocked].knock_state.events.at(-1)]
  assert.deepEqual(
    own.map(({ content, origin_server_ts }) => [content.membership, origin_server_ts]),
    [
      ['invite', 1_700_000_000_000],
      ['knock', 1_700_000_000_000],
    ],
  )
})

test('lazily loaded: members who came in the gap of a room entered since the token are told', async () => {
  await using hearth = await startHearth()
  const [alice, bob, carol] = [await hearth.user('alice'), await hearth.user('bob'), await hearth.user('carol')]
  const filter = encodeURIComponent('{"room":{"state":{"lazy_load_members":true},"timeline":{"limit":5}}}')
  const sync = async ({ token }: { token: string }, more = '') =>
    (await hearth.request('GET', `/sync?filter=${filter}${more}`, { token })).body
  const before = [await sync(alice), await sync(carol)].map(({ next_batch }) => `&since=${next_batch}`)
  // With a name no heroes are needed.
  const body = { preset: 'public_chat', name: 'Hall' }
  const { room_id: room } = (await hearth.request('POST', '/createRoom', { token: alice.token, body })).body
  await hearth.request('POST', `/join/${room}`, { token: bob.token, body: {} })
  const talk = async (about: string) => {
    for (let i = 0; i < 6; i += 1)
      await hearth.request('PUT', `/rooms/${room}/send/m.room.message/${about}${i}`, { token: alice.token, body })
  }
  await talk('before')
  await hearth.request('POST', `/join/${room}`, { token: carol.token, body: {} })
  const between = `&since=${(await sync(alice)).next_batch}`
  await hearth.request('PUT', `/profile/${bob.userId}/displayname`, { token: bob.token, body: { displayname: 'B' } })
  await talk('after')
  const membersIn = ({ rooms }: Awaited<ReturnType<typeof sync>>) =>
    rooms.join[room].state.events
      .filter(({ type }: { type: string }) => type === 'm.room.member')
      .map(({ state_key }: { state_key: string }) => state_key)
      .sort()
  const all = [alice.userId, bob.userId, carol.userId]
  assert.deepEqual(membersIn(await sync(alice, before[0])), all)
  assert.deepEqual(membersIn(await sync(carol, before[1])), all)
  // Also where a client asks for everything again: it keeps the members that it has asked for.
  assert.deepEqual(membersIn(await sync(carol, `${between}&full_state=true`)), all)
  assert.deepEqual(membersIn(await sync(carol)), [alice.userId, carol.userId])
})

function anotherProcess(dataDir: string): Promise<Store> {
  const serverName = 'hearth.example' as ServerName
  return openStore({ database: 'sqlite', dataDir, serverName, clock: () => 0, log: QUIET_LOG })
}

/** A user's membership in a room elsewhere. */
class Outside {
  readonly #store: Store
  readonly #room: RoomFixture
  readonly #userId: UserId

  private constructor(store: Store, room: RoomFixture, userId: UserId) {
    this.#store = store
    this.#room = room
    this.#userId = userId
  }

  static async create(store: Store, userId: UserId, membership: Membership): Promise<Outside> {
    const outside = new Outside(store, await RoomFixture.create(store), userId)
    await outside.set(membership)
    return outside
  }

  get roomId(): string {
    return this.#room.roomId
  }

  async set(membership: Membership): Promise<Event> {
    const { nid } = this.#room
    const event = this.#room.event({
      type: 'm.room.member',
      sender: CAROL,
      stateKey: this.#userId,
      content: { membership },
    })
    await this.#store.write(async (tx) => {
      const user = await tx.users.intern(this.#userId)
      const [eventNid] = await tx.events.addOutliers(nid, [{ event, verdict: 'accepted' }])
      const stripped = [{ type: 'm.room.name', state_key: '', sender: CAROL, content: { name: 'Elsewhere' } }]
      await tx.memberships.setOutOfBand({ user, room: nid, membership, eventNid: eventNid!, stripped })
    })
    return event
  }
}

test('account data from before a room was joined comes with the room; what has not changed comes once', async () => {
  await using hearth = await startHearth()
  const [alice, bob] = [await hearth.user('alice'), await hearth.user('bob')]
  const ask = async (path: string, body?: object, user = alice) =>
    (
      await hearth.request(body === undefined ? 'GET' : path.startsWith('/user') ? 'PUT' : 'POST', path, {
        token: user.token,
        ...(body && { body }),
      })
    ).body
  const { room_id: roomId } = await ask('/createRoom', { preset: 'public_chat' }, bob)
  const mine = `/user/${encodeURIComponent(alice.userId)}`
  await ask(`${mine}/rooms/${encodeURIComponent(roomId)}/account_data/early`, { n: 1 })
  await ask(`${mine}/account_data/m.ignored_user_list`, { ignored_users: { [bob.userId]: {} } })
  const first = await ask('/sync')
  assert.ok(first.account_data.events.some(({ type }: Event) => type === 'm.ignored_user_list'))
  await ask(`/join/${encodeURIComponent(roomId)}`, {})
  await hearth.request('PUT', `/rooms/${roomId}/send/m.x/1`, { token: bob.token, body: {} })
  const second = await ask(`/sync?since=${first.next_batch}`)
  const joined = second.rooms.join[roomId]
  assert.deepEqual(joined.account_data.events, [{ type: 'early', content: { n: 1 } }])
  assert.ok(!joined.timeline.events.some(({ type }: Event) => type === 'm.x'), 'an ignored user stays ignored')
  assert.deepEqual(second.account_data.events, [])
  await ask(`${mine}/rooms/${encodeURIComponent(roomId)}/account_data/late`, { n: 2 })
  const third = await ask(`/sync?since=${second.next_batch}`)
  assert.deepEqual(third.rooms.join[roomId].account_data.events, [{ type: 'late', content: { n: 2 } }])
})
