/** Joining, knocking, inviting and leaving between servers. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { encodeBase64 } from '#core/crypto.ts'
import { type Signer, signerFromSeed, signJson } from '#core/event/sign.ts'
import type { RoomId, UserId } from '#core/ids.ts'
import { parseJson } from '#core/json/parse.ts'
import type { JsonObject } from '#core/json/value.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import type { SendJoinAnswer } from '#services/federation/membership/send-join-answer.ts'
import type { WireRequest } from '#services/federation/transport/transport.ts'
import { type Member, SmallFederation, threeServers, type User } from '#test/federation/harness/small-federation.ts'

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

const PUBLIC = { preset: 'public_chat' }
const ok = (reply: { status: number; body: unknown }) => assert.equal(reply.status, 200, JSON.stringify(reply.body))

function refusal(status: number, errcode: string, extra: object = {}) {
  return { outcome: 'answered' as const, status, retryAfterMs: null, body: bytes({ errcode, error: 'no', ...extra }) }
}
const bytes = (json: object) => Buffer.from(JSON.stringify(json))

describe('joining by way of another server', () => {
  for (const version of ROOM_VERSIONS.keys()) {
    it(`gives the room as it is, in version ${version}`, async () => {
      const roomId = await alice.createRoom({ ...PUBLIC, room_version: version, name: 'Hall' })
      await alice.say(roomId, 'before')
      ok(await bob.join(roomId, a))
      await b.services.federation.memberships.partialStates.idle()
      for (const server of [a, b]) {
        assert.equal(await server.membership(roomId, bob.userId), 'join')
        assert.equal(await server.membership(roomId, alice.userId), 'join')
        assert.equal((await server.state(roomId, 'm.room.name'))?.content['name'], 'Hall')
      }
      const { rooms } = await bob.sync()
      assert.ok(rooms.join[roomId] !== undefined)
      await bob.say(roomId, 'after')
    })
  }

  it('finds the room by an alias of another server', async () => {
    const roomId = await alice.createRoom({ ...PUBLIC, room_alias_name: 'hall' })
    const reply = await bob.post('/join/%23hall%3Aa.test')
    ok(reply)
    assert.equal(reply.body.room_id, roomId)
  })

  it('goes on to the next server where one is gone, and to the one after it where that refuses', async () => {
    const roomId = await alice.createRoom(PUBLIC)
    const gone = { name: 'gone.test' } as Member
    federation.intercept = (_from, { destination }) => (destination === c.name ? refusal(404, 'M_NOT_FOUND') : null)
    ok(await bob.join(roomId, gone, c, a))
    assert.equal(await a.membership(roomId, bob.userId), 'join')
  })

  it('tells what the servers said where none will do', async () => {
    const roomId = await alice.createRoom({ preset: 'private_chat' })
    const reply = await bob.join(roomId, c, a)
    assert.deepEqual([reply.status, reply.body.errcode], [403, 'M_FORBIDDEN'])
  })

  it('tells of a room version that this server does not have', async () => {
    federation.intercept = (_from, { uri }) =>
      uri.includes('/make_join/') ? refusal(400, 'M_INCOMPATIBLE_ROOM_VERSION', { room_version: '99' }) : null
    const reply = await bob.join('!room:a.test' as RoomId, a)
    assert.equal(reply.body.errcode, 'M_INCOMPATIBLE_ROOM_VERSION')
    assert.equal(reply.body.room_version, '99')
  })

  it('speaks the old form with servers that know no other', async () => {
    const roomId = await alice.createRoom(PUBLIC)
    federation.intercept = (_from, { uri }) => (uri.includes('/federation/v2/') ? refusal(404, 'M_UNRECOGNIZED') : null)
    ok(await bob.join(roomId, a))
    await b.sees(roomId, alice.userId, 'join')
  })

  it('brings the server in once for two users who come at once', async () => {
    const roomId = await alice.createRoom(PUBLIC)
    const ben = await b.user('ben')
    const replies = await Promise.all([bob.join(roomId, a), ben.join(roomId, a)])
    replies.forEach(ok)
    for (const user of [bob, ben]) for (const server of [a, b]) await server.sees(roomId, user.userId, 'join')
    const rows = await b.store.read(async (tx) => {
      const room = await tx.rooms.byId(roomId)
      return tx.events.timeline({ room: room!.nid, direction: 'forwards', limit: 10 })
    })
    assert.equal(rows.length, 2)
  })

  it('is told to the other servers in the room', async () => {
    const roomId = await alice.createRoom(PUBLIC)
    ok(await carol.join(roomId, a))
    ok(await bob.join(roomId, a))
    await c.sees(roomId, bob.userId, 'join')
    ok(await bob.room(roomId, 'leave'))
    await c.sees(roomId, bob.userId, 'leave')
  })

  it('begins afresh after all had left', async () => {
    const roomId = await alice.createRoom(PUBLIC)
    ok(await bob.join(roomId, a))
    await b.services.federation.memberships.partialStates.idle()
    ok(await bob.room(roomId, 'leave'))
    await alice.say(roomId, 'without you')
    ok(await alice.setState(roomId, 'm.room.name', { name: 'Renamed' }))
    ok(await bob.join(roomId, a))
    await b.services.federation.memberships.partialStates.idle()
    assert.equal((await b.state(roomId, 'm.room.name'))?.content['name'], 'Renamed')
    const extremities = await b.store.read(async (tx) => tx.rooms.extremities((await tx.rooms.byId(roomId))!.nid))
    assert.equal(extremities.length, 1)
  })
})

describe('what a resident server answers', () => {
  const ask = (from: Member, to: Member, uri: string) =>
    from.services.federation.client.request({
      destination: to.name,
      method: 'GET',
      uri: `/_matrix/federation/v1${uri}`,
    })
  const e = encodeURIComponent

  it('to one that lacks the room version: which that is', async () => {
    const roomId = await alice.createRoom({ ...PUBLIC, room_version: '10' })
    for (const [versions, outcome] of [
      ['?ver=9&ver=11', 'refused'],
      ['', 'refused'],
      ['?ver=10', 'answered'],
    ] as const) {
      const reply = await ask(b, a, `/make_join/${e(roomId)}/${e(bob.userId)}${versions}`)
      assert.equal(reply.outcome, outcome)
      if (reply.outcome !== 'refused') continue
      assert.deepEqual([reply.status, reply.errcode], [400, 'M_INCOMPATIBLE_ROOM_VERSION'])
      assert.equal(reply.json?.['room_version'], '10')
    }
  })

  it('about rooms that it is not in, or not any more: that it is not', async () => {
    const roomId = await alice.createRoom(PUBLIC)
    ok(await carol.join(roomId, a))
    ok(await carol.room(roomId, 'leave'))
    for (const id of [roomId, '!unknown:c.test']) {
      const reply = await ask(b, c, `/make_join/${e(id)}/${e(bob.userId)}?ver=12`)
      assert.deepEqual([reply.outcome, reply.outcome === 'refused' && reply.errcode], ['refused', 'M_NOT_FOUND'])
    }
  })

  it('about users of other servers: nothing', async () => {
    const roomId = await alice.createRoom(PUBLIC)
    for (const action of ['make_join', 'make_leave', 'make_knock']) {
      const reply = await ask(b, a, `/${action}/${e(roomId)}/${e(carol.userId)}?ver=12`)
      assert.deepEqual([reply.outcome, reply.outcome === 'refused' && reply.status], ['refused', 403])
    }
  })

  for (const omit of [true, false]) {
    it(`to a join ${omit ? 'without' : 'with'} its members`, async () => {
      const roomId = await alice.createRoom({ ...PUBLIC, name: 'Hall' })
      ok(await carol.join(roomId, a))
      const { promise, resolve } = Promise.withResolvers<WireRequest>()
      federation.intercept = (_from, request) => {
        if (!request.uri.includes('/send_join/')) return null
        resolve(request)
        return refusal(403, 'M_FORBIDDEN')
      }
      await bob.join(roomId, a)
      const sent = await promise
      federation.intercept = () => null
      const reply = await b.services.federation.client.request({
        destination: a.name,
        method: 'PUT',
        uri: sent.uri.replace('omit_members=true', `omit_members=${omit}`),
        body: parseJson(Buffer.from(sent.body ?? ''), { depthMax: 100, lossless: true }) as JsonObject,
      })
      assert.equal(reply.outcome, 'answered')
      const answer = reply.json as SendJoinAnswer
      const members = answer.state.filter((event) => event['type'] === 'm.room.member')
      assert.equal(members.length, omit ? 0 : 2)
      assert.equal(answer.members_omitted, omit)
      assert.deepEqual(answer.servers_in_room?.toSorted(), omit ? ['a.test', 'c.test'] : undefined)
      const ids = (list: readonly object[]) => new Set(list.map((event) => JSON.stringify(event)))
      assert.equal(ids(answer.state).isDisjointFrom(ids(answer.auth_chain)), omit)
    })
  }
})

describe('restricted rooms', () => {
  /** A room of a.test that members of the lobby may join, who are on b.test and c.test. */
  async function restricted(levels: object = {}): Promise<{ lobby: RoomId; roomId: RoomId }> {
    const lobby = await alice.createRoom(PUBLIC)
    const join_rule = { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: lobby }] }
    const roomId = await alice.createRoom({
      room_version: '11',
      power_level_content_override: levels,
      initial_state: [{ type: 'm.room.join_rules', state_key: '', content: join_rule }],
    })
    return { lobby, roomId }
  }

  it('let in who is in the lobby, with the signature of the server that vouches for it', async () => {
    const { lobby, roomId } = await restricted()
    assert.equal((await bob.join(roomId, a)).body.errcode, 'M_FORBIDDEN')
    ok(await bob.join(lobby, a))
    ok(await bob.join(roomId, a))
    const join = await b.state(roomId, 'm.room.member', bob.userId)
    assert.equal(join?.content['join_authorised_via_users_server'], alice.userId)
    assert.deepEqual(Object.keys(join?.json['signatures'] as object).sort(), ['a.test', 'b.test'])
  })

  it('are joined by way of another server where nobody here may invite', async () => {
    const { lobby, roomId } = await restricted({ invite: 50 })
    ok(await bob.join(lobby, a))
    ok(await bob.join(roomId, a))
    const ben = await b.user('ben')
    ok(await ben.join(lobby, a))
    await a.sees(lobby, ben.userId, 'join')
    ok(await ben.join(roomId))
    for (const server of [a, b]) await server.sees(roomId, ben.userId, 'join')
    const join = await b.state(roomId, 'm.room.member', ben.userId)
    assert.equal(join?.content['join_authorised_via_users_server'], alice.userId)
  })

  it('are refused as unable to authorise where the lobby is not known', async () => {
    const { lobby, roomId } = await restricted()
    ok(await carol.join(lobby, a))
    ok(await carol.join(roomId, a))
    ok(await bob.join(lobby, a))
    ok(await carol.room(lobby, 'leave'))
    await c.services.federation.memberships.partialStates.idle()
    await a.sees(lobby, carol.userId, 'leave')
    const errors = await makeJoinErrors(b, c, roomId, bob)
    assert.equal(errors, 'M_UNABLE_TO_AUTHORISE_JOIN')
    assert.equal(await makeJoinErrors(b, a, roomId, bob), null)
  })

  it('say who could do it instead', async () => {
    const { lobby, roomId } = await restricted({ invite: 50 })
    ok(await bob.join(lobby, a))
    ok(await bob.join(roomId, a))
    await b.services.federation.memberships.partialStates.idle()
    ok(await carol.join(lobby, a))
    await b.sees(lobby, carol.userId, 'join')
    assert.equal(await makeJoinErrors(c, b, roomId, carol), 'M_UNABLE_TO_GRANT_JOIN')
    assert.equal(await makeJoinErrors(c, b, roomId, await c.user('dora')), 'M_FORBIDDEN')
    const errors: unknown[] = []
    federation.intercept = async (_from, request) => {
      if (request.destination !== a.name || !request.uri.includes('/make_join/')) return null
      errors.push('asked a.test')
      return null
    }
    ok(await carol.join(roomId, b, a))
    assert.deepEqual(errors, ['asked a.test'])
  })
})

async function makeJoinErrors(from: Member, to: Member, roomId: RoomId, user: User): Promise<string | null> {
  const reply = await from.services.federation.client.request({
    destination: to.name,
    method: 'GET',
    uri: `/_matrix/federation/v1/make_join/${encodeURIComponent(roomId)}/${encodeURIComponent(user.userId)}?ver=11`,
  })
  return reply.outcome === 'refused' ? reply.errcode : null
}

describe('knocking', () => {
  const KNOCK = { initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }] }

  for (const version of ['7', '11', '12']) {
    it(`reaches the room, and can be taken back, in version ${version}`, async () => {
      const roomId = await alice.createRoom({ room_version: version, name: 'Hall', ...KNOCK })
      ok(await bob.post(`/knock/${encodeURIComponent(roomId)}?via=a.test`, { reason: 'hello' }))
      assert.equal(await a.membership(roomId, bob.userId), 'knock')
      const shown = (await bob.sync()).rooms.knock[roomId].knock_state.events
      assert.ok(shown.some(({ type }: { type: string }) => type === 'm.room.name'))
      const isOwn = ({ state_key }: { state_key: string }) => state_key === bob.userId
      for (const entry of shown.filter((entry: { state_key: string }) => !isOwn(entry)))
        assert.deepEqual(Object.keys(entry).sort(), ['content', 'sender', 'state_key', 'type'])
      const own = shown.find(isOwn)
      assert.ok(own.origin_server_ts > 0 && own.event_id.startsWith('$'), JSON.stringify(own))
      ok(await bob.room(roomId, 'leave'))
      assert.equal(await a.membership(roomId, bob.userId), 'leave')
      assert.equal((await bob.sync()).rooms.knock?.[roomId], undefined)
    })
  }

  it('is answered by an invite', async () => {
    const roomId = await alice.createRoom(KNOCK)
    ok(await bob.post(`/knock/${encodeURIComponent(roomId)}?via=a.test`))
    ok(await alice.room(roomId, 'invite', { user_id: bob.userId }))
    assert.ok((await bob.sync()).rooms.invite[roomId] !== undefined)
    ok(await bob.join(roomId))
    assert.equal(await a.membership(roomId, bob.userId), 'join')
  })
})

it('what else the body of a join says goes into the member event, by way of another server too', async () => {
  const roomId = await alice.createRoom({ preset: 'public_chat' })
  const given = { reason: 'hello', 'org.test.kind': 5, membership: 'leave', third_party_invite: {} }
  ok(await bob.post(`/join/${encodeURIComponent(roomId)}?via=a.test`, given))
  const content = (await a.state(roomId, 'm.room.member', bob.userId))?.content
  assert.deepEqual(content, { reason: 'hello', 'org.test.kind': 5, membership: 'join' })
})

describe('inviting users of other servers', () => {
  for (const version of ROOM_VERSIONS.keys()) {
    it(`shows the invite and lets the user in without a hint, in version ${version}`, async () => {
      const roomId = await alice.createRoom({ room_version: version, name: 'Hall' })
      ok(await alice.room(roomId, 'invite', { user_id: bob.userId }))
      assert.equal(await a.membership(roomId, bob.userId), 'invite')
      const signatures = (await a.state(roomId, 'm.room.member', bob.userId))?.json['signatures'] as object
      assert.deepEqual(Object.keys(signatures).sort(), ['a.test', 'b.test'])
      const shown = (await bob.sync()).rooms.invite[roomId].invite_state.events
      assert.ok(shown.some(({ content }: { content: { name?: string } }) => content.name === 'Hall'))
      const { type, content, origin_server_ts: ts, event_id: eventId, unsigned } = shown.at(-1)
      assert.deepEqual([type, content.membership, unsigned.membership], ['m.room.member', 'invite', 'invite'])
      assert.ok(ts > 0 && eventId.startsWith('$'))
      ok(await bob.room(roomId, 'join'))
      await b.sees(roomId, alice.userId, 'join')
    })
  }

  it('happens when the room is made, and by a state event', async () => {
    const roomId = await alice.createRoom({ preset: 'trusted_private_chat', invite: [bob.userId], is_direct: true })
    const events = (await bob.sync()).rooms.invite[roomId].invite_state.events
    assert.equal(events.at(-1).content.is_direct, true)
    ok(await alice.setState(roomId, 'm.room.member', { membership: 'invite', reason: 'why not' }, carol.userId))
    assert.ok((await carol.sync()).rooms.invite[roomId] !== undefined)
    ok(await bob.room(roomId, 'join'))
    ok(await carol.room(roomId, 'join'))
    await a.sees(roomId, carol.userId, 'join')
  })

  for (const [who, moderator] of [
    ['the inviter', () => alice],
    ['a moderator on another server, who proves it', () => carol],
  ] as const)
    it(`can be taken back by ${who}`, async () => {
      const power_level_content_override = { users: { [alice.userId]: 100, [carol.userId]: 50 } }
      const roomId = await alice.createRoom({ ...PUBLIC, room_version: '11', power_level_content_override })
      ok(await carol.join(roomId, a))
      ok(await alice.room(roomId, 'invite', { user_id: bob.userId }))
      await c.sees(roomId, bob.userId, 'invite')
      ok(await moderator().room(roomId, 'kick', { user_id: bob.userId }))
      while ((await bob.sync()).rooms?.invite?.[roomId] !== undefined) {
        const { promise, resolve } = Promise.withResolvers<void>()
        const end = b.store.onCommit(() => resolve())
        if ((await bob.sync()).rooms?.invite?.[roomId] !== undefined) await promise
        end()
      }
    })

  it('can be rejected', async () => {
    const roomId = await alice.createRoom({})
    ok(await alice.room(roomId, 'invite', { user_id: bob.userId }))
    ok(await bob.room(roomId, 'leave'))
    assert.equal(await a.membership(roomId, bob.userId), 'leave')
    assert.equal((await bob.sync()).rooms.invite?.[roomId], undefined)
  })

  it("can be rejected when the inviter's server is gone", async () => {
    await using own = new SmallFederation()
    const there = await own.server('there.test')
    const ann = await there.user('ann')
    const ben = await (await own.server('here.test')).user('ben')
    const roomId = await ann.createRoom({})
    ok(await ann.room(roomId, 'invite', { user_id: ben.userId }))
    there.hide()
    ok(await ben.room(roomId, 'leave'))
    assert.equal((await ben.sync()).rooms.invite?.[roomId], undefined)
  })

  it('fails where the server is gone, and the room goes on without it', async () => {
    const roomId = await alice.createRoom({})
    const reply = await alice.room(roomId, 'invite', { user_id: '@eve:gone.test' })
    assert.equal(reply.status, 502)
    assert.equal(await a.membership(roomId, '@eve:gone.test' as UserId), undefined)
    await alice.say(roomId, 'alone')
  })

  it('tells of users who want none', async () => {
    const roomId = await alice.createRoom({})
    const hermit = await b.user('hermit')
    const path = `/user/${encodeURIComponent(hermit.userId)}/account_data/m.invite_permission_config`
    ok(await hermit.put(path, { default_action: 'block' }))
    const reply = await alice.room(roomId, 'invite', { user_id: hermit.userId })
    assert.deepEqual([reply.status, reply.body.errcode], [403, 'M_INVITE_BLOCKED'])
  })

  it('holds nobody up while the other server thinks about it', async () => {
    const roomId = await alice.createRoom({})
    const said = Promise.withResolvers<void>()
    federation.intercept = async (_from, { uri }) => {
      if (uri.includes('/invite/')) {
        await alice.say(roomId, 'meanwhile')
        said.resolve()
      }
      return null
    }
    ok(await alice.room(roomId, 'invite', { user_id: bob.userId }))
    await said.promise
    assert.equal(await a.membership(roomId, bob.userId), 'invite')
  })
})

describe('third-party invites', () => {
  const identity = signerFromSeed('id.test', '1', new Uint8Array(32).fill(5))
  const forger = signerFromSeed('id.test', '1', new Uint8Array(32).fill(6))

  async function exchange(signer: Signer, mxid: string, path?: RoomId) {
    const roomId = await alice.createRoom({})
    const key = encodeBase64(identity.publicKey)
    const invite = { display_name: 'b…@mail', public_key: key, public_keys: [{ public_key: key }] }
    ok(await alice.setState(roomId, 'm.room.third_party_invite', invite, 'token'))
    const signed = signJson({ mxid, token: 'token' }, signer)
    const reply = await b.services.federation.client.request({
      destination: a.name,
      method: 'PUT',
      uri: `/_matrix/federation/v1/exchange_third_party_invite/${encodeURIComponent(path ?? roomId)}`,
      body: {
        type: 'm.room.member',
        room_id: roomId,
        sender: alice.userId,
        state_key: bob.userId,
        content: { membership: 'invite', third_party_invite: { display_name: 'me', signed } },
      },
    })
    return { roomId, reply }
  }

  it('become invites of the users who own the address', async () => {
    const { roomId, reply } = await exchange(identity, bob.userId)
    assert.equal(reply.outcome, 'answered')
    const member = await a.state(roomId, 'm.room.member', bob.userId)
    assert.equal((member!.content['third_party_invite'] as JsonObject)['display_name'], 'b…@mail')
    assert.ok((await bob.sync()).rooms.invite[roomId] !== undefined)
  })

  it('need a proof by the key of the invite, for the user, in the room of the path (S3)', async () => {
    const attempts = [
      exchange(forger, bob.userId),
      exchange(identity, carol.userId),
      exchange(identity, bob.userId, '!other:a.test' as RoomId),
    ]
    for (const { roomId, reply } of await Promise.all(attempts)) {
      assert.equal(reply.outcome, 'refused')
      assert.ok('status' in reply && (reply.status === 403 || reply.status === 400))
      assert.equal(await a.membership(roomId, bob.userId), undefined)
    }
  })
})

describe('server access control lists', () => {
  it('keep servers from joining, and let the others in', async () => {
    const roomId = await alice.createRoom(PUBLIC)
    ok(await alice.setState(roomId, 'm.room.server_acl', { allow: ['*'], deny: ['b.test'] }))
    assert.equal((await bob.join(roomId, a)).body.errcode, 'M_FORBIDDEN')
    ok(await carol.join(roomId, a))
  })
})
