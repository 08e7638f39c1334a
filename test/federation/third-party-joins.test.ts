/** Joining rooms of other servers by proof of an invited third-party identifier (`third_party_signed`). */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { encodeBase64 } from '#core/crypto.ts'
import { signerFromSeed, signJson } from '#core/event/sign.ts'
import type { RoomId } from '#core/ids.ts'
import { parseJson } from '#core/json/parse.ts'
import type { JsonObject } from '#core/json/value.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import type { WireRequest } from '#services/federation/transport/transport.ts'
import {
  type Member,
  type Reply,
  type SmallFederation,
  threeServers,
  type User,
} from '#test/federation/harness/small-federation.ts'

let federation: SmallFederation
/** The inviter's server, the joining one, and a third one in the room. */
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
const EXCHANGE = '/exchange_third_party_invite/'
const identity = signerFromSeed('id.test', '1', new Uint8Array(32).fill(5))
const forger = signerFromSeed('id.test', '1', new Uint8Array(32).fill(6))
const proof = () => ({ mxid: bob.userId, sender: alice.userId, token: 'token' })
const ok = (reply: Reply) => assert.equal(reply.status, 200, JSON.stringify(reply.body))
const exchanges = () => federation.asked.filter(({ line }) => line.includes(EXCHANGE)).map(({ to }) => to)

/** A room that only the invited may join, to which the owner of an address is invited. */
async function invitingRoom(version = '11', ...others: readonly User[]): Promise<RoomId> {
  const roomId = await alice.createRoom({ preset: 'private_chat', room_version: version })
  for (const other of others) {
    ok(await alice.room(roomId, 'invite', { user_id: other.userId }))
    ok(await other.room(roomId, 'join'))
    await a.sees(roomId, other.userId, 'join')
    await other.server.services.federation.memberships.partialStates.idle()
  }
  const key = encodeBase64(identity.publicKey)
  const offer = { display_name: 'b…@mail', key_validity_url: 'https://id.test/valid', public_key: key }
  ok(await alice.setState(roomId, 'm.room.third_party_invite', offer, 'token'))
  for (const { server } of others) await until(server, () => server.state(roomId, 'm.room.third_party_invite', 'token'))
  return roomId
}

/** Resolves when something is there, looking after every commit. */
async function until(server: Member, look: () => Promise<unknown>): Promise<void> {
  while ((await look()) === undefined) {
    const { promise, resolve } = Promise.withResolvers<void>()
    const end = server.store.onCommit(() => resolve())
    if ((await look()) === undefined) await promise
    end()
  }
}

function joinWith(signed: object, roomIdOrAlias: string, ...via: readonly Member[]): Promise<Reply> {
  const query = via.map(({ name }) => `via=${name}`).join('&')
  return bob.post(`/join/${e(roomIdOrAlias)}?${query}`, { third_party_signed: signed })
}

/** Whether the joining server and the inviter's have anything of the user in the room. */
async function assertNothingLeft(roomId: RoomId): Promise<void> {
  assert.equal(await b.store.read((tx) => tx.rooms.byId(roomId)), null)
  const { rooms } = await bob.sync()
  for (const kind of ['invite', 'join', 'leave']) assert.equal(rooms?.[kind]?.[roomId], undefined)
  assert.equal(await a.membership(roomId, bob.userId), undefined)
}

describe('joining by a third-party proof', () => {
  for (const version of ROOM_VERSIONS.keys()) {
    it(`redeems the invite by way of the inviter's server, in version ${version}`, async () => {
      const roomId = await invitingRoom(version)
      const signed = signJson(proof(), identity)
      ok(await joinWith(signed, roomId, a))
      await b.services.federation.memberships.partialStates.idle()
      for (const server of [a, b]) {
        const join = await server.state(roomId, 'm.room.member', bob.userId)
        assert.equal(join?.content['membership'], 'join')
        const cited = await server.store.read((tx) => tx.events.byIds(join!.authEvents))
        const invite = [...cited.values()].find(({ event }) => event.content['membership'] === 'invite')?.event
        assert.equal(invite?.sender, alice.userId)
        const redeemed = invite?.content['third_party_invite']
        // Signed by both servers, in versions whose redactions drop the proof as in those that keep it.
        assert.deepEqual(JSON.parse(JSON.stringify(redeemed)), { display_name: 'b…@mail', signed })
        assert.deepEqual(Object.keys(invite?.json['signatures'] as JsonObject).toSorted(), ['a.test', 'b.test'])
      }
      await bob.say(roomId, 'here I am')
      assert.deepEqual(exchanges(), ['a.test'])
    })
  }

  it('needs no server but that of the inviter, whom the proof names', async () => {
    // No domain stands in the id of such a room.
    const roomId = await invitingRoom('12')
    ok(await bob.room(roomId, 'join', { third_party_signed: signJson(proof(), identity), reason: 'found me' }))
    const join = await a.state(roomId, 'm.room.member', bob.userId)
    assert.deepEqual([join?.content['membership'], join?.content['reason']], ['join', 'found me'])
  })

  it('works with an alias', async () => {
    const roomId = await invitingRoom()
    ok(await alice.put(`/directory/room/${e('#hidden:a.test')}`, { room_id: roomId }))
    const reply = await joinWith(signJson(proof(), identity), '#hidden:a.test')
    ok(reply)
    assert.equal(reply.body.room_id, roomId)
    assert.equal(await a.membership(roomId, bob.userId), 'join')
  })

  const REFUSED: Readonly<Record<string, { signed: () => object; asks: number; as?: [number, string] }>> = {
    'a signature by another key': { signed: () => signJson(proof(), forger), asks: 1 },
    'no signature': { signed: proof, asks: 1 },
    'a token that the room does not know': {
      signed: () => signJson({ ...proof(), token: 'other' }, identity),
      asks: 1,
    },
    'another inviter than that of the room': {
      signed: () => signJson({ ...proof(), sender: '@zoe:a.test' }, identity),
      asks: 1,
    },
    "somebody else's proof": { signed: () => signJson({ ...proof(), mxid: carol.userId }, identity), asks: 0 },
    'no inviter': { signed: () => signJson({ mxid: bob.userId, token: 'token' }, identity), asks: 0 },
    "a number that can't have been signed": {
      signed: () => ({ ...signJson(proof(), identity), odd: 1.5 }),
      asks: 0,
      as: [400, 'M_BAD_JSON'],
    },
    nothing: { signed: () => ({}), asks: 0 },
  }
  for (const [what, { signed, asks, as = [403, 'M_FORBIDDEN'] }] of Object.entries(REFUSED)) {
    it(`is refused with ${what}, which leaves nothing behind, and works with the proof then`, async () => {
      const roomId = await invitingRoom()
      const reply = await joinWith(signed(), roomId, a)
      assert.deepEqual([reply.status, reply.body.errcode], as)
      assert.equal(exchanges().length, asks)
      await assertNothingLeft(roomId)
      ok(await joinWith(signJson(proof(), identity), roomId, a))
    })
  }

  it('is refused to a banned user', async () => {
    const roomId = await invitingRoom()
    ok(await alice.room(roomId, 'ban', { user_id: bob.userId }))
    const reply = await joinWith(signJson(proof(), identity), roomId, a)
    assert.deepEqual([reply.status, reply.body.errcode], [403, 'M_FORBIDDEN'])
    assert.equal(await a.membership(roomId, bob.userId), 'ban')
  })

  it('asks nobody for another invite where there is one', async () => {
    const roomId = await invitingRoom()
    ok(await alice.room(roomId, 'invite', { user_id: bob.userId }))
    ok(await joinWith(signJson(proof(), identity), roomId, a))
    assert.deepEqual(exchanges(), [])
  })

  it('is for those too who want no invites otherwise', async () => {
    const path = `/user/${e(bob.userId)}/account_data/m.invite_permission_config`
    ok(await bob.put(path, { default_action: 'block' }))
    try {
      const roomId = await invitingRoom()
      assert.equal((await alice.room(roomId, 'invite', { user_id: bob.userId })).body.errcode, 'M_INVITE_BLOCKED')
      ok(await joinWith(signJson(proof(), identity), roomId, a))
    } finally {
      ok(await bob.put(path, {}))
    }
  })

  it('leaves the invite where the join fails after it, and uses it next time', async () => {
    const roomId = await invitingRoom()
    federation.intercept = (_from, { uri }) => (uri.includes('/make_join/') ? refusal(403, 'M_FORBIDDEN') : null)
    const signed = signJson(proof(), identity)
    assert.equal((await joinWith(signed, roomId, a)).status, 403)
    const { invite_state: shown } = (await bob.sync()).rooms.invite[roomId]
    assert.deepEqual(shown.events.at(-1).content.third_party_invite.signed, signed)
    federation.intercept = () => null
    ok(await joinWith(signed, roomId, a))
    assert.deepEqual(exchanges(), ['a.test'])
  })
})

describe('another server in the room', () => {
  it("redeems the invite where the inviter's server can't", async () => {
    for (const version of ['2', '10', '11', '12']) {
      const roomId = await invitingRoom(version, carol)
      federation.asked.length = 0
      federation.intercept = (_from, { uri, destination }) =>
        destination === a.name && uri.includes(EXCHANGE) ? refusal(500, 'M_UNKNOWN') : null
      ok(await joinWith(signJson(proof(), identity), roomId, c))
      federation.intercept = () => null
      assert.deepEqual(exchanges(), ['a.test', 'c.test'])
      for (const server of [a, b, c]) await server.sees(roomId, bob.userId, 'join')
      const join = await a.state(roomId, 'm.room.member', bob.userId)
      const cited = await a.store.read((tx) => tx.events.byIds(join!.authEvents))
      const invite = [...cited.values()].find(({ event }) => event.content['membership'] === 'invite')?.event
      assert.equal(invite?.sender, alice.userId)
      // The one that made it, not the one of its sender.
      assert.deepEqual(Object.keys(invite?.json['signatures'] as JsonObject).toSorted(), ['b.test', 'c.test'])
      await alice.say(roomId, 'welcome')
      federation.advance(600_000)
    }
  })

  it('tells the others of the invite, whether the user joins or not', async () => {
    const roomId = await invitingRoom('11', carol)
    federation.intercept = (_from, { uri, destination }) => {
      if (uri.includes('/make_join/')) return refusal(403, 'M_FORBIDDEN')
      return destination === a.name && uri.includes(EXCHANGE) ? refusal(404, 'M_NOT_FOUND') : null
    }
    assert.equal((await joinWith(signJson(proof(), identity), roomId, c)).status, 403)
    await a.sees(roomId, bob.userId, 'invite')
  })

  it('is believed while it is asked alone: it invites nobody in the name of others', async () => {
    const roomId = await invitingRoom('11', carol)
    const { promise, resolve } = Promise.withResolvers<WireRequest>()
    federation.intercept = (_from, request) => {
      if (request.destination === a.name && request.uri.includes(EXCHANGE)) return refusal(404, 'M_NOT_FOUND')
      if (!request.uri.includes('/invite/')) return null
      resolve(request)
      return refusal(403, 'M_FORBIDDEN')
    }
    const signed = signJson(proof(), identity)
    assert.equal((await joinWith(signed, roomId, c)).status, 403)
    const { uri, body } = await promise
    federation.intercept = (_from, { destination, uri: asked }) =>
      destination === a.name && asked.includes(EXCHANGE) ? refusal(404, 'M_NOT_FOUND') : null
    const again = { destination: b.name, method: 'PUT' as const, uri, body: json(body) }
    const reply = await c.services.federation.client.request(again)
    assert.deepEqual([reply.outcome, reply.outcome === 'refused' && reply.errcode], ['refused', 'M_INVALID_PARAM'])
    await assertNothingLeft(roomId)
    ok(await joinWith(signed, roomId, c))
  })

  it('may be the joining one itself', async () => {
    const ben = await b.user(`ben${federation.clock()}`)
    const roomId = await invitingRoom('11', ben, carol)
    const forged = await joinWith(signJson(proof(), forger), roomId)
    assert.deepEqual([forged.status, forged.body.errcode], [403, 'M_FORBIDDEN'])
    assert.equal(await b.membership(roomId, bob.userId), undefined)
    ok(await joinWith(signJson(proof(), identity), roomId))
    assert.deepEqual(exchanges(), [])
    for (const server of [a, c]) await server.sees(roomId, bob.userId, 'join')
  })
})

function refusal(status: number, errcode: string) {
  const body = Buffer.from(JSON.stringify({ errcode, error: 'no' }))
  return { outcome: 'answered' as const, status, retryAfterMs: null, body }
}

function json(text: string | null): JsonObject {
  return parseJson(Buffer.from(text ?? ''), { depthMax: 100, lossless: true }) as JsonObject
}
