/** Of many servers that could help some are asked: those first that weren't out of reach lately, and these too for users. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { ServerName } from '#core/ids.ts'
import { type Member, SmallFederation, type User } from '#test/federation/harness/small-federation.ts'
import { manualTime } from '#test/harness/manual-time.ts'

const PUBLIC = { preset: 'public_chat' }
const HOUR_MS = 3_600_000
const e = encodeURIComponent

let federation: SmallFederation
let a: Member
let b: Member
let alice: User
let bob: User
const time = manualTime()

beforeEach(async () => {
  federation = new SmallFederation()
  a = await federation.server('a.test')
  b = await federation.server('b.test', {}, time.timers)
  alice = await a.user('alice')
  bob = await b.user('bob')
})
afterEach(async () => {
  await federation[Symbol.asyncDispose]()
  assert.deepEqual(federation.defects, [])
})

const ok = (reply: { status: number; body: unknown }) => assert.equal(reply.status, 200, JSON.stringify(reply.body))
const wholeAt = (server: Member) => server.services.federation.memberships.partialStates.idle()
const askedBy = (server: Member, path: string) =>
  federation.asked.filter(({ from, line }) => from === server.name && line.includes(path)).map(({ to }) => to)
const pause = (server: Member, other: string) => server.services.federation.backOff.failed(other as ServerName, HOUR_MS)

describe('a user who joins', () => {
  it('goes by servers that were there lately, before those that were not', async () => {
    const c = await federation.server('c.test')
    const roomId = await alice.createRoom(PUBLIC)
    ok(await (await c.user('carol')).join(roomId, a))
    await wholeAt(c)
    pause(b, a.name)
    ok(await bob.join(roomId, a, c))
    assert.deepEqual(askedBy(b, '/make_join/'), [c.name])
  })

  it('and who leaves or invites, asks one that was not there lately where there is no other', async () => {
    await alice.createRoom({ ...PUBLIC, room_alias_name: 'hall' })
    pause(b, a.name)
    ok(await bob.post(`/join/${e('#hall:a.test')}`))
    const roomId = await alice.createRoom(PUBLIC)
    pause(b, a.name)
    ok(await bob.join(roomId, a))
    const other = await alice.createRoom({})
    pause(a, b.name)
    ok(await alice.room(other, 'invite', { user_id: bob.userId }))
    pause(b, a.name)
    ok(await bob.room(other, 'leave'))
    assert.equal(await a.membership(other, bob.userId), 'leave')
  })
})

describe('the state of a room that many are in', () => {
  it('is got from one that is there, however many are not', async () => {
    const gone = Array.from({ length: 30 }, (_, n) => `gone${n}.test` as ServerName)
    const roomId = await alice.createRoom({ ...PUBLIC, name: 'Hall' })
    const isHeld = Promise.withResolvers<void>()
    federation.intercept = async (from, { uri }) => {
      if (from !== b.name || !uri.includes('/state_ids/')) return null
      // The first question is of no avail, and by the next one there are many more servers.
      await b.store.write(async (tx) => {
        const { nid, partial } = (await tx.rooms.byId(roomId))!
        await tx.rooms.setPartial(nid, { ...partial!, servers: [...gone, a.name] })
      })
      federation.intercept = () => null
      isHeld.resolve()
      return { outcome: 'answered', status: 404, retryAfterMs: null, body: Buffer.from('{}') }
    }
    ok(await bob.join(roomId, a))
    await isHeld.promise
    const partial = async () => (await b.store.read((tx) => tx.rooms.byId(roomId)))?.partial ?? null
    for (let rounds = 0; rounds < 5_000 && (await partial()) !== null; rounds++) {
      time.advance(5_000)
      await turn()
    }
    assert.equal(await partial(), null)
  })
})

describe('history that many have', () => {
  it('is got from one that is there, however many are not', async () => {
    const roomId = await alice.createRoom(PUBLIC)
    const last = await federation.server('last.test')
    ok(await (await last.user('lea')).join(roomId, a))
    await wholeAt(last)
    const others = await Promise.all(['c.test', 'd.test', 'e.test'].map((name) => federation.server(name)))
    for (const server of others) {
      for (const name of ['one', 'two']) ok(await (await server.user(name)).join(roomId, a))
      await wholeAt(server)
    }
    const said = await alice.say(roomId, 'long ago')
    for (let n = 0; n < 20; n++) await alice.say(roomId, `${n}`)
    ok(await bob.join(roomId, a))
    await wholeAt(b)
    for (const server of [a, ...others]) server.hide()
    const read = async () => {
      const { body } = await bob.get(`/rooms/${e(roomId)}/messages?dir=b&limit=50`)
      return body.chunk.map(({ event_id }: { event_id: string }) => event_id)
    }
    assert.ok(!(await read()).includes(said))
    // What was asked for in vain is asked for again some time later.
    federation.advance(31_000)
    const found = await read()
    assert.ok(found.includes(said))
    assert.equal(askedBy(b, '/backfill/').at(-1), last.name)
  })
})
