/** What servers ask of each other, counted: only what the step at hand needs. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { EventId, RoomId } from '#core/ids.ts'
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

beforeEach(async () => {
  ;({ federation, a, b, c, alice, bob, carol } = await threeServers())
})
afterEach(async () => {
  await federation[Symbol.asyncDispose]()
  assert.deepEqual(federation.defects, [])
})

const PUBLIC = { preset: 'public_chat' }
const ok = (reply: { status: number; body: unknown }) => assert.equal(reply.status, 200, JSON.stringify(reply.body))
const wholeAt = (server: Member) => server.services.federation.memberships.partialStates.idle()

/** What a server has asked for since, ids left out: `PUT v1/send b.test`. Transactions may be any number. */
function askedBy(server: Member, since = 0): string[] {
  const lines = federation.asked.slice(since).flatMap(({ from, to, line }) => {
    const [, method, path] = /^(\w+) \/_matrix\/(?:federation\/)?([^?]*)/.exec(line) ?? []
    const fixed = path?.startsWith('key/') ? path : path?.split('/').slice(0, 2).join('/')
    return from === server.name ? [`${method} ${fixed} ${to}`] : []
  })
  return [
    ...new Set(lines.filter((line) => line.includes('v1/send '))),
    ...lines.filter((line) => !line.includes('v1/send ')),
  ]
}

async function arrives(server: Member, eventId: EventId): Promise<void> {
  const has = async () => (await server.store.read((tx) => tx.events.byId(eventId))) !== null
  while (!(await has())) {
    const { promise, resolve } = Promise.withResolvers<void>()
    const end = server.store.onCommit(() => resolve())
    if (!(await has())) await promise
    end()
  }
}

/** A room of Alice's with Carol in it. */
async function room(): Promise<RoomId> {
  const roomId = await alice.createRoom({ ...PUBLIC, name: 'Hall' })
  for (let i = 0; i < 5; i++) await alice.say(roomId, `before ${i}`)
  ok(await carol.join(roomId, a))
  await wholeAt(c)
  await a.sees(roomId, carol.userId, 'join')
  return roomId
}

describe('a server asks others for no more than it needs', () => {
  it('to join a room', async () => {
    const roomId = await room()
    ok(await bob.join(roomId, a))
    await wholeAt(b)
    await c.sees(roomId, bob.userId, 'join')
    const asked = askedBy(b)
    // The keys of its members' servers, each once; of the state the ids, and the one event that isn't here yet.
    assert.deepEqual(asked.filter((line) => line.includes('key/')).toSorted(), [
      'GET key/v2/server a.test',
      'GET key/v2/server c.test',
    ])
    assert.deepEqual(
      asked.filter((line) => !line.includes('key/')),
      ['GET v1/make_join a.test', 'PUT v2/send_join a.test', 'GET v1/state_ids a.test', 'GET v1/event a.test'],
    )
    // Nobody else was asked for anything, but for the key that the join is signed with.
    assert.deepEqual(
      askedBy(a).filter((line) => line.endsWith('b.test')),
      ['GET key/v2/server b.test'],
    )
    assert.deepEqual(
      askedBy(c).filter((line) => line.endsWith('b.test')),
      ['GET key/v2/server b.test'],
    )
  })

  it('to hear, read and say what is said', async () => {
    const roomId = await room()
    ok(await bob.join(roomId, a))
    await wholeAt(b)
    await c.sees(roomId, bob.userId, 'join')
    const since = federation.asked.length
    for (const user of [alice, carol, alice]) {
      const eventId = await user.say(roomId, 'hello')
      for (const server of [a, b, c]) await arrives(server, eventId)
    }
    await bob.sync()
    ok(await bob.get(`/rooms/${encodeURIComponent(roomId)}/members`))
    ok(await bob.get(`/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=3`))
    const answer = await bob.say(roomId, 'hello to you')
    for (const server of [a, c]) await arrives(server, answer)
    assert.deepEqual(askedBy(b, since), ['PUT v1/send a.test', 'PUT v1/send c.test'])
  })

  it('to be invited, and to leave', async () => {
    const roomId = await alice.createRoom({})
    const since = federation.asked.length
    ok(await alice.room(roomId, 'invite', { user_id: bob.userId }))
    await bob.sync()
    ok(await bob.room(roomId, 'leave'))
    assert.deepEqual(askedBy(a, since), ['PUT v2/invite b.test', 'GET key/v2/server b.test'])
    assert.deepEqual(askedBy(b, since), [
      'GET key/v2/server a.test',
      'GET v1/make_leave a.test',
      'PUT v2/send_leave a.test',
    ])
  })
})

describe('keys of servers that are gone', () => {
  it('are asked of who supplied the events, all in one question', async () => {
    const gone = await Promise.all(['d.test', 'e.test', 'f.test'].map((name) => federation.server(name)))
    const users = await Promise.all(gone.map((server) => server.user('gus')))
    const roomId = await alice.createRoom(PUBLIC)
    for (const [index, user] of users.entries()) {
      ok(await user.join(roomId, a))
      await wholeAt(gone[index]!)
      await arrives(a, await user.say(roomId, 'I was here'))
    }
    for (const server of gone) server.hide()
    const questions: string[][] = []
    federation.intercept = (from, { method, uri, destination, body }) => {
      if (from === b.name && method === 'POST' && uri.startsWith('/_matrix/key/v2/query')) {
        assert.equal(destination, a.name)
        questions.push(Object.keys(JSON.parse(String(body)).server_keys).sort())
      }
      return null
    }
    ok(await bob.join(roomId, a))
    await wholeAt(b)
    for (const { userId } of users) assert.equal(await b.membership(roomId, userId), 'join')
    const { body } = await bob.get(`/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=50`)
    const bodies = body.chunk.filter(({ content }: { content: { body?: string } }) => content.body === 'I was here')
    assert.equal(bodies.length, users.length)
    assert.deepEqual(
      questions[0],
      gone.map(({ name }) => name as string),
    )
    // What a supplier says counts for what it supplied, so it is asked once for each of its answers.
    assert.ok(questions.length <= 3, `${questions.length} questions`)
    const known = await b.store.read((tx) => tx.serverKeys.keysOf(gone.map(({ name }) => name)))
    assert.equal(known.size, 0)
  })
})
