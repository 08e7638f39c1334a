/** Who is asked when a first server can't help, in which form, and what the user is told. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import type { RoomId, UserId } from '#core/ids.ts'
import type { WireReply } from '#services/federation/transport/transport.ts'
import {
  type Member,
  type SmallFederation,
  threeServers,
  type User,
} from '#test/federation/harness/small-federation.ts'

let federation: SmallFederation
let a: Member
let b: Member
let c: Member
let alice: User
let bob: User
let carol: User

before(async () => {
  ;({ federation, a, b, c, alice, bob, carol } = await threeServers())
})
afterEach(() => {
  federation.intercept = () => null
  federation.asked.length = 0
  assert.deepEqual(federation.defects, [])
})
after(() => federation[Symbol.asyncDispose]())

const e = encodeURIComponent
const PUBLIC = { preset: 'public_chat' }
const KNOCK = { initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }] }
const ok = (reply: { status: number; body: unknown }) => assert.equal(reply.status, 200, JSON.stringify(reply.body))

function answer(status: number, json: object): WireReply {
  return { outcome: 'answered', status, retryAfterMs: null, body: Buffer.from(JSON.stringify(json)) }
}
const refusal = (status: number, errcode: string, extra: object = {}) =>
  answer(status, { errcode, error: 'no', ...extra })

/** The servers that a user's server sent such requests to, in order. */
const askedFor = (from: Member, path: string) =>
  federation.asked.filter(({ from: by, line }) => by === from.name && line.includes(path)).map(({ to }) => to)

/** What a user's syncs say of an invite or a knock, once it has gone. */
async function isGone(user: User, kind: 'invite' | 'knock', roomId: RoomId): Promise<void> {
  const isThere = async () => (await user.sync()).rooms?.[kind]?.[roomId] !== undefined
  while (await isThere()) {
    const { promise, resolve } = Promise.withResolvers<void>()
    const end = user.server.store.onCommit(() => resolve())
    if (await isThere()) await promise
    end()
  }
}

describe('a join', () => {
  for (const version of ['1', '11']) {
    it(`finds the room by its id alone where that names its server, in version ${version}`, async () => {
      const roomId = await alice.createRoom({ ...PUBLIC, room_version: version })
      ok(await bob.join(roomId))
      assert.equal(await a.membership(roomId, bob.userId), 'join')
    })
  }

  it('goes by the servers that the alias names, where its own server is not in the room', async () => {
    const roomId = await alice.createRoom(PUBLIC)
    ok(await carol.join(roomId, a))
    ok(await carol.put(`/directory/room/${e('#elsewhere:c.test')}`, { room_id: roomId }))
    await c.services.federation.memberships.partialStates.idle()
    ok(await carol.room(roomId, 'leave'))
    ok(await bob.post(`/join/${e('#elsewhere:c.test')}`))
    assert.deepEqual(askedFor(b, 'make_join'), [a.name])
  })

  it('goes on where the event was refused, or the answer to it is worth nothing', async () => {
    for (const reply of [
      refusal(403, 'M_FORBIDDEN'),
      refusal(500, 'M_UNKNOWN'),
      answer(200, {}),
      answer(200, { state: [], auth_chain: [] }),
    ]) {
      const roomId = await alice.createRoom(PUBLIC)
      ok(await carol.join(roomId, a))
      await c.services.federation.memberships.partialStates.idle()
      federation.asked.length = 0
      federation.intercept = (_from, { destination, uri }) =>
        destination === c.name && uri.includes('/send_join/') ? reply : null
      ok(await bob.join(roomId, c, a))
      assert.deepEqual(askedFor(b, 'v2/send_join'), [c.name, a.name])
      assert.equal(await b.membership(roomId, bob.userId), 'join')
      b.services.federation.backOff.reset(c.name)
    }
  })

  it('goes on where a server can not say whether the user may, and tells of it where nobody can', async () => {
    const lobby = await alice.createRoom(PUBLIC)
    const allow = [{ type: 'm.room_membership', room_id: lobby }]
    const content = { join_rule: 'restricted', allow }
    const initial_state = [{ type: 'm.room.join_rules', state_key: '', content }]
    const roomId = await alice.createRoom({ initial_state })
    ok(await alice.room(roomId, 'invite', { user_id: carol.userId }))
    ok(await carol.join(roomId, a))
    await c.services.federation.memberships.partialStates.idle()
    ok(await bob.join(lobby, a))
    const reply = await bob.join(roomId, c)
    assert.deepEqual([reply.status, reply.body.errcode], [400, 'M_UNABLE_TO_AUTHORISE_JOIN'])
    ok(await bob.join(roomId, c, a))
    assert.deepEqual(askedFor(b, 'make_join').slice(-2), [c.name, a.name])
  })
})

describe('a leave', () => {
  it("is told by any server in the room where the inviter's is gone", async () => {
    const roomId = await alice.createRoom({ name: 'Hall', ...KNOCK })
    ok(await alice.room(roomId, 'invite', { user_id: carol.userId }))
    ok(await carol.join(roomId, a))
    await c.services.federation.memberships.partialStates.idle()
    ok(await carol.room(roomId, 'invite', { user_id: bob.userId }))
    await a.sees(roomId, bob.userId, 'invite')
    c.hide()
    ok(await bob.room(roomId, 'leave'))
    assert.equal(await a.membership(roomId, bob.userId), 'leave')
    assert.deepEqual(askedFor(b, 'make_leave'), [c.name, a.name])
    c.show()
    for (const server of [a, b]) server.services.federation.backOff.reset(c.name)
    await c.sees(roomId, bob.userId, 'leave')
  })
})

describe('the old forms', () => {
  it('are spoken with servers that know no others: join, invite, leave', async () => {
    const isNew = (uri: string) => uri.includes('/federation/v2/')
    federation.intercept = (_from, { uri }) => (isNew(uri) ? refusal(404, 'M_UNRECOGNIZED') : null)
    for (const version of ['1', '2']) {
      const roomId = await alice.createRoom({ room_version: version, name: 'Hall' })
      ok(await alice.room(roomId, 'invite', { user_id: bob.userId }))
      const shown = (await bob.sync()).rooms.invite[roomId].invite_state.events
      assert.ok(shown.some(({ content }: { content: { name?: string } }) => content.name === 'Hall'))
      ok(await bob.room(roomId, 'leave'))
      assert.equal(await a.membership(roomId, bob.userId), 'leave')
      ok(await alice.room(roomId, 'invite', { user_id: bob.userId }))
      ok(await bob.join(roomId))
      await b.sees(roomId, alice.userId, 'join')
    }
    for (const path of ['v1/invite', 'v1/send_leave', 'v1/send_join']) {
      assert.ok(askedFor(a, path).length + askedFor(b, path).length >= 2, path)
    }
  })

  it('of invites are for rooms of versions 1 and 2 alone', async () => {
    federation.intercept = (_from, { uri }) => (uri.includes('/v2/invite/') ? refusal(404, 'M_UNRECOGNIZED') : null)
    const roomId = await alice.createRoom({ room_version: '3' })
    assert.equal((await alice.room(roomId, 'invite', { user_id: bob.userId })).status, 502)
    assert.deepEqual(askedFor(a, 'v1/invite'), [])
  })
})

describe('a room version that the other server lacks', () => {
  it('is named to one that knocks', async () => {
    const roomId = await alice.createRoom({ room_version: '10', ...KNOCK })
    const uri = `/_matrix/federation/v1/make_knock/${e(roomId)}/${e(bob.userId)}`
    const ask = (query: string) =>
      b.services.federation.client.request({ destination: a.name, method: 'GET', uri: `${uri}${query}` })
    const refused = await ask('?ver=9&ver=11')
    assert.ok(refused.outcome === 'refused')
    assert.deepEqual([refused.status, refused.errcode], [400, 'M_INCOMPATIBLE_ROOM_VERSION'])
    assert.equal(refused.json?.['room_version'], '10')
    assert.equal((await ask('?ver=9&ver=10')).outcome, 'answered')
  })

  it('is told to whoever invites', async () => {
    federation.intercept = (_from, { uri }) =>
      uri.includes('/invite/') ? refusal(400, 'M_INCOMPATIBLE_ROOM_VERSION', { room_version: '12' }) : null
    const roomId = await alice.createRoom({})
    const reply = await alice.room(roomId, 'invite', { user_id: bob.userId })
    assert.deepEqual([reply.status, reply.body.errcode], [400, 'M_UNSUPPORTED_ROOM_VERSION'])
    assert.equal(await a.membership(roomId, bob.userId), undefined)
  })
})

describe('who waits outside hears that it is over', () => {
  for (const action of ['kick', 'ban']) {
    it(`an invited user, by a ${action}`, async () => {
      const roomId = await alice.createRoom({})
      ok(await alice.room(roomId, 'invite', { user_id: bob.userId }))
      assert.ok((await bob.sync()).rooms.invite[roomId] !== undefined)
      ok(await alice.room(roomId, action, { user_id: bob.userId }))
      await isGone(bob, 'invite', roomId)
    })

    it(`one who knocked, by a ${action}`, async () => {
      const roomId = await alice.createRoom(KNOCK)
      ok(await bob.post(`/knock/${e(roomId)}?via=a.test`))
      assert.ok((await bob.sync()).rooms.knock[roomId] !== undefined)
      ok(await alice.room(roomId, action, { user_id: bob.userId as UserId }))
      await isGone(bob, 'knock', roomId)
    })
  }
})

describe('S46: stripped state that should never have been stored', () => {
  for (const stored of [
    null,
    'x',
    7,
    {},
    [null, 1, 'x', []],
    [{ type: null, state_key: 5, sender: {}, content: 'x' }],
  ]) {
    it(`${JSON.stringify(stored)}: stands in the way of nothing`, async () => {
      const roomId = await alice.createRoom({})
      ok(await alice.room(roomId, 'invite', { user_id: bob.userId }))
      await b.store.write(async (tx) => {
        const [user, room] = [(await tx.users.nid(bob.userId))!, (await tx.rooms.byId(roomId))!.nid]
        const { membership, eventNid } = (await tx.memberships.one(user, room))!
        await tx.memberships.setOutOfBand({ user, room, membership, eventNid, stripped: stored as never })
      })
      assert.ok((await bob.sync()).rooms.invite[roomId] !== undefined)
      ok(await bob.room(roomId, 'leave'))
      assert.equal(await a.membership(roomId, bob.userId), 'leave')
    })
  }
})
