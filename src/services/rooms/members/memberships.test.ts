import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ed25519FromSeed, encodeBase64 } from '#core/crypto.ts'
import type { RoomId } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import type { JsonObject } from '#core/json/value.ts'
import { type RoomFixture, roomFixture, SERVER, type TestUser } from '#test/rooms/room-fixture.ts'

let fixture: RoomFixture
let alice: TestUser
let bob: TestUser
let carol: TestUser
before(async () => {
  fixture = await roomFixture()
  alice = await fixture.user('alice')
  bob = await fixture.user('bob')
  carol = await fixture.user('carol')
})
after(() => fixture[Symbol.asyncDispose]())

const memberships = () => fixture.rooms.memberships
const create = (joinRules: JsonObject = { join_rule: 'invite' }, version = '12') =>
  fixture.rooms.creation.create(alice.userId, {
    room_version: version,
    initial_state: [{ type: 'm.room.join_rules', content: joinRules }],
  })
const forbidden = { errcode: 'M_FORBIDDEN' }
/** Runs something that must not write anything. */
async function unchanged(run: () => Promise<unknown>): Promise<void> {
  const before = fixture.store.position()
  await run()
  assert.equal(fixture.store.position(), before)
}

describe('joining', () => {
  it('takes an invite in an invite-only room, and happens once', async () => {
    const roomId = await create()
    await assert.rejects(memberships().join(bob, roomId), forbidden)
    await memberships().invite(alice, roomId, bob.userId, 'come in')
    await unchanged(() => memberships().invite(alice, roomId, bob.userId))
    await memberships().join(bob, roomId, { reason: 'thanks' })
    const event = await fixture.state(roomId, 'm.room.member', bob.userId)
    assert.deepEqual(event?.content, { membership: 'join', reason: 'thanks' })
    await unchanged(() => memberships().join(bob, roomId))
    await assert.rejects(memberships().invite(alice, roomId, bob.userId), forbidden)
  })

  it('tells nobody outside who is invited or banned', async () => {
    const roomId = await create()
    await memberships().invite(alice, roomId, bob.userId)
    await assert.rejects(memberships().invite(carol, roomId, bob.userId), forbidden)
    await assert.rejects(memberships().invite(bob, roomId, bob.userId), forbidden)
    await memberships().ban(alice, roomId, bob.userId)
    await assert.rejects(memberships().ban(carol, roomId, bob.userId), forbidden)
    await unchanged(() => memberships().ban(alice, roomId, bob.userId))
  })

  it('shows the profile', async () => {
    const dave = await fixture.user('dave')
    await fixture.store.write(async (tx) => {
      await tx.profiles.set(dave.userNid, 'displayname', 'Dave')
      await tx.profiles.set(dave.userNid, 'avatar_url', 'mxc://here.test/d')
      await tx.profiles.set(dave.userNid, 'm.tz', 'Europe/Zurich')
    })
    const profile = { displayname: 'Dave', avatar_url: 'mxc://here.test/d' }
    const roomId = await create()
    await memberships().invite(alice, roomId, dave.userId)
    const content = async () => (await fixture.state(roomId, 'm.room.member', dave.userId))?.content
    assert.deepEqual(await content(), { ...profile, membership: 'invite' })
    await memberships().join(dave, roomId)
    assert.deepEqual(await content(), { ...profile, membership: 'join' })
    const own = { membership: 'join', displayname: 'D here' }
    await fixture.setState(dave, roomId, 'm.room.member', own, dave.userId)
    assert.deepEqual(await content(), { ...profile, ...own })
  })

  it('is not known for rooms of elsewhere', async () => {
    await assert.rejects(memberships().join(bob, '!a:elsewhere.test' as RoomId), { errcode: 'M_NOT_FOUND' })
  })

  it('is refused to guests unless the room lets them', async () => {
    const guest = await fixture.user('77', { isGuest: true })
    const open = await create({ join_rule: 'public' })
    await memberships().join(guest, open)
    const closed = await fixture.rooms.creation.create(alice.userId, { preset: 'public_chat' })
    await assert.rejects(memberships().join(guest, closed), { errcode: 'M_GUEST_ACCESS_FORBIDDEN' })
  })
})

describe('restricted rooms', () => {
  for (const rule of ['restricted', 'knock_restricted']) {
    for (const version of ['8', '10', '12']) {
      if (rule === 'knock_restricted' && version === '8') continue
      it(`let members of the other room in (${rule}, version ${version}), with somebody here to vouch`, async () => {
        const other = await create({ join_rule: 'public' })
        const roomId = await create(
          { join_rule: rule, allow: [{ type: 'm.room_membership', room_id: other }] },
          version,
        )
        await assert.rejects(memberships().join(bob, roomId), forbidden)
        await memberships().join(bob, other)
        await memberships().join(bob, roomId)
        const event = await fixture.state(roomId, 'm.room.member', bob.userId)
        assert.equal(event?.content['join_authorised_via_users_server'], alice.userId)
        await memberships().invite(alice, roomId, carol.userId)
        await memberships().join(carol, roomId)
        const invited = await fixture.state(roomId, 'm.room.member', carol.userId)
        assert.equal(invited?.content['join_authorised_via_users_server'], undefined)
      })
    }
  }

  it('are not opened by naming an authoriser oneself', async () => {
    const roomId = await create({ join_rule: 'restricted', allow: [] })
    const content = { membership: 'join', join_authorised_via_users_server: alice.userId }
    await assert.rejects(fixture.setState(bob, roomId, 'm.room.member', content, bob.userId), forbidden)
  })

  it('keep out the banned, and survive bad conditions', async () => {
    const other = await create({ join_rule: 'public' })
    await memberships().join(bob, other)
    for (const allow of [null, 'x', 5, {}, [null, 5, {}, { type: 'm.room_membership', room_id: 7 }]]) {
      await assert.rejects(memberships().join(bob, await create({ join_rule: 'restricted', allow })), forbidden)
    }
    const roomId = await create({ join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: other }] })
    await memberships().ban(alice, roomId, bob.userId)
    await assert.rejects(memberships().join(bob, roomId), forbidden)
  })

  it('need somebody who may invite', async () => {
    const other = await create({ join_rule: 'public' })
    const roomId = await create(
      { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: other }] },
      '11',
    )
    const levels = (await fixture.state(roomId, 'm.room.power_levels'))?.content ?? {}
    await fixture.setState(alice, roomId, 'm.room.power_levels', { ...levels, invite: 100 })
    await memberships().join(bob, other)
    await memberships().join(bob, roomId)
    await memberships().leave(alice, roomId)
    await memberships().join(carol, other)
    await assert.rejects(memberships().join(carol, roomId), forbidden)
  })
})

describe('knocking', () => {
  it('asks to be let in, once, and can be taken back', async () => {
    const roomId = await create({ join_rule: 'knock' })
    await memberships().knock(bob, roomId, 'let me in')
    assert.equal(await fixture.membership(roomId, bob.userId), 'knock')
    await unchanged(() => memberships().knock(bob, roomId))
    await memberships().leave(bob, roomId)
    await memberships().knock(bob, roomId)
    await memberships().invite(alice, roomId, bob.userId)
    await assert.rejects(memberships().knock(bob, roomId), forbidden)
    await memberships().join(bob, roomId)
  })

  it('is refused where the room does not take it', async () => {
    await assert.rejects(memberships().knock(bob, await create()), forbidden)
    await assert.rejects(memberships().knock(bob, await create({ join_rule: 'knock' }, '6')), forbidden)
  })
})

describe('leaving, kicking, banning', () => {
  it('leaves once, and not what one was never in', async () => {
    const roomId = await create({ join_rule: 'public' })
    await assert.rejects(memberships().leave(bob, roomId), forbidden)
    await memberships().join(bob, roomId)
    await memberships().leave(bob, roomId, 'bored')
    await unchanged(() => memberships().leave(bob, roomId))
    const content = (await fixture.state(roomId, 'm.room.member', bob.userId))?.content
    assert.deepEqual(content, { membership: 'leave', reason: 'bored' })
  })

  it('kicks those who are there', async () => {
    const roomId = await create({ join_rule: 'public' })
    await assert.rejects(memberships().kick(alice, roomId, bob.userId), forbidden)
    await memberships().join(bob, roomId)
    await memberships().join(carol, roomId)
    await assert.rejects(memberships().kick(bob, roomId, carol.userId), forbidden)
    await memberships().kick(alice, roomId, bob.userId, 'rude')
    const event = await fixture.state(roomId, 'm.room.member', bob.userId)
    assert.equal(event?.sender, alice.userId)
    assert.deepEqual(event?.content, { membership: 'leave', reason: 'rude' })
    await memberships().join(bob, roomId)
  })

  it('bans anybody, and unbans the banned alone', async () => {
    const roomId = await create({ join_rule: 'public' })
    await assert.rejects(memberships().unban(alice, roomId, bob.userId), { errcode: 'M_BAD_STATE', status: 403 })
    await memberships().ban(alice, roomId, bob.userId, 'spam')
    await unchanged(() => memberships().ban(alice, roomId, bob.userId))
    await assert.rejects(memberships().join(bob, roomId), forbidden)
    await assert.rejects(memberships().invite(alice, roomId, bob.userId), forbidden)
    await assert.rejects(memberships().kick(alice, roomId, bob.userId), forbidden)
    await memberships().unban(alice, roomId, bob.userId)
    await memberships().join(bob, roomId)
  })

  it('forgets what was left, and nothing else', async () => {
    const roomId = await create({ join_rule: 'public' })
    const notLeft = { errcode: 'M_UNKNOWN', status: 400 }
    await assert.rejects(memberships().forget(bob.userNid, roomId), notLeft)
    await memberships().join(bob, roomId)
    await assert.rejects(memberships().forget(bob.userNid, roomId), notLeft)
    await memberships().leave(bob, roomId)
    await memberships().forget(bob.userNid, roomId)
    await memberships().join(bob, roomId)
    assert.ok((await memberships().joinedRooms(bob.userNid)).includes(roomId))
  })

  it('ends all memberships of a deactivated account', async () => {
    const gone = await fixture.user('gone')
    const joined = await create({ join_rule: 'public' })
    await memberships().join(gone, joined)
    const invited = await create()
    await memberships().invite(alice, invited, gone.userId)
    const knocked = await create({ join_rule: 'knock' })
    await memberships().knock(gone, knocked)
    await fixture.rooms.leaveAllRooms(gone.userId)
    for (const roomId of [joined, invited, knocked]) {
      assert.equal(await fixture.membership(roomId, gone.userId), 'leave')
    }
    assert.deepEqual(await memberships().joinedRooms(gone.userNid), [])
  })
})

describe('inviting', () => {
  it('respects those who want no invites, also by state event', async () => {
    const shy = await fixture.user('shy')
    await fixture.store.write((tx) =>
      tx.accountData.put(shy.userNid, null, 'm.invite_permission_config', { default_action: 'block' }),
    )
    const roomId = await create()
    const blocked = { errcode: 'M_INVITE_BLOCKED' }
    await assert.rejects(memberships().invite(alice, roomId, shy.userId), blocked)
    await assert.rejects(
      fixture.setState(alice, roomId, 'm.room.member', { membership: 'invite' }, shy.userId),
      blocked,
    )
  })

  it('turns a third-party invite into one of the user who proves to own the address', async () => {
    const key = ed25519FromSeed(new Uint8Array(32).fill(3))
    const roomId = await create()
    const offer = { display_name: 'b…', key_validity_url: 'https://id.test/v', public_key: encodeBase64(key.publicKey) }
    await fixture.setState(alice, roomId, 'm.room.third_party_invite', offer, 'token1')
    const proof = { mxid: bob.userId, sender: alice.userId, token: 'token1' }
    const signed = (body: JsonObject): JsonObject => ({
      ...body,
      signatures: { 'id.test': { 'ed25519:0': encodeBase64(key.sign(canonicalJson(body))) } },
    })
    const forged = { ...signed(proof), signatures: { 'id.test': { 'ed25519:0': encodeBase64(new Uint8Array(64)) } } }
    for (const bad of [forged, signed({ ...proof, token: 'token2' }), signed({ ...proof, mxid: carol.userId }), {}]) {
      await assert.rejects(memberships().join(bob, roomId, undefined, bad), forbidden)
    }
    await memberships().join(bob, roomId, undefined, signed(proof))
    const [invite, join] = (await fixture.timeline(roomId)).slice(-2)
    assert.equal(invite?.sender, alice.userId)
    assert.deepEqual(invite?.content['third_party_invite'], { display_name: 'b…', signed: signed(proof) })
    assert.deepEqual(join?.content, { membership: 'join' })
  })

  it('is for users of this server: those of others are invited by way of their servers', async () => {
    const roomId = await create()
    const content = { membership: 'invite' }
    const target = '@eve:elsewhere.test'
    await assert.rejects(fixture.setState(alice, roomId, 'm.room.member', content, target), forbidden)
    assert.equal(SERVER, 'here.test')
  })
})
