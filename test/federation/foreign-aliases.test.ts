/** Aliases of other servers as a room's canonical ones. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import type { RoomId } from '#core/ids.ts'
import { FOREIGN_ALIASES_MAX } from '#services/rooms/directory/foreign-aliases.ts'
import {
  type Member,
  type SmallFederation,
  threeServers,
  type User,
} from '#test/federation/harness/small-federation.ts'

let federation: SmallFederation
let a: Member
let b: Member
let alice: User
let bob: User
let carol: User

before(async () => {
  ;({ federation, a, b, alice, bob, carol } = await threeServers())
})
afterEach(() => {
  federation.intercept = () => null
  federation.asked.length = 0
  assert.deepEqual(federation.defects, [])
})
after(() => federation[Symbol.asyncDispose]())

const ok = (reply: { status: number; body: unknown }) => assert.equal(reply.status, 200, JSON.stringify(reply.body))
const setCanonical = (user: User, roomId: RoomId, content: object) =>
  user.put(`/rooms/${encodeURIComponent(roomId)}/state/m.room.canonical_alias`, content)
const lookups = () => federation.asked.filter(({ line }) => line.includes('/query/directory')).length

/** A room of a.test with bob of b.test in it, who gives it a name of his server. */
async function named(localpart: string): Promise<{ readonly roomId: RoomId; readonly alias: string }> {
  const roomId = await alice.createRoom({ preset: 'public_chat', room_alias_name: `own-${localpart}` })
  ok(await bob.join(roomId, a))
  const alias = `#${localpart}:b.test`
  ok(await bob.put(`/directory/room/${encodeURIComponent(alias)}`, { room_id: roomId }))
  return { roomId, alias }
}

describe('an alias of another server', () => {
  it('becomes canonical where its server says that it points to the room', async () => {
    const { roomId, alias } = await named('hall')
    ok(await setCanonical(alice, roomId, { alias, alt_aliases: [alias] }))
    assert.equal(lookups(), 1)
    assert.equal((await a.state(roomId, 'm.room.canonical_alias'))?.content['alias'], alias)
    ok(await setCanonical(alice, roomId, { alt_aliases: [alias] }))
    assert.equal(lookups(), 1, 'the room lists it already')
  })

  it('does not where it points elsewhere, to nothing, or its server can’t be asked', async () => {
    const { roomId } = await named('here')
    const { alias } = await named('elsewhere')
    for (const other of [alias, '#nothing:b.test']) {
      const { status, body } = await setCanonical(alice, roomId, { alias: other })
      assert.deepEqual([status, body.errcode], [400, 'M_BAD_ALIAS'], other)
    }
    assert.equal((await setCanonical(alice, roomId, { alias: '#a:gone.test' })).status, 502)
    assert.equal((await a.state(roomId, 'm.room.canonical_alias'))?.content['alias'], '#own-here:a.test')
  })

  it('is asked for only for those who may send the event, and a few at a time', async () => {
    const { roomId, alias } = await named('guarded')
    ok(await carol.join(roomId, a))
    assert.equal((await setCanonical(carol, roomId, { alias })).body.errcode, 'M_FORBIDDEN')
    const many = Array.from({ length: FOREIGN_ALIASES_MAX + 1 }, (_, n) => `#n${n}:b.test`)
    assert.equal((await setCanonical(alice, roomId, { alt_aliases: many })).body.errcode, 'M_INVALID_PARAM')
    assert.equal(lookups(), 0)
    const most = many.slice(1)
    federation.intercept = (_from, { uri }) => {
      if (!uri.includes('/query/directory')) return null
      const body = Buffer.from(JSON.stringify({ room_id: roomId, servers: [b.name] }))
      return { outcome: 'answered', status: 200, retryAfterMs: null, body }
    }
    ok(await setCanonical(alice, roomId, { alt_aliases: most }))
    assert.equal(lookups(), FOREIGN_ALIASES_MAX)
  })

  it('stays with the old room in an upgrade, which only moves this server’s', async () => {
    const { roomId, alias } = await named('upgraded')
    const own = '#own-upgraded:a.test'
    ok(await setCanonical(alice, roomId, { alias, alt_aliases: [own, alias] }))
    const { body } = await alice.room(roomId, 'upgrade', { new_version: '12' })
    const content = async (id: RoomId) => (await a.state(id, 'm.room.canonical_alias'))?.content
    assert.deepEqual(await content(body.replacement_room), { alt_aliases: [own] })
    assert.deepEqual(await content(roomId), { alias, alt_aliases: [alias] })
  })
})
