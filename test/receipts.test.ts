/** Receipts, read markers and typing, as /sync and the old event stream tell of them. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Hearth, startHearth } from '#test/harness/hearth.ts'
import { RoomClient } from '#test/harness/room-client.ts'

type Content = Record<string, Record<string, Record<string, { ts: number; thread_id?: string }>>>

let hearth: Hearth
let alice: RoomClient
let bob: RoomClient
let room: string
let first: string
let second: string

before(async () => {
  hearth = await startHearth()
  alice = new RoomClient(hearth, await hearth.user('alice'))
  bob = new RoomClient(hearth, await hearth.user('bob'))
  room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
  first = await alice.send(room)
  second = await alice.send(room)
})
after(() => hearth[Symbol.asyncDispose]())

const receipt = (client: RoomClient, type: string, eventId: string, body: object = {}, where = room) =>
  client.request('POST', `/rooms/${where}/receipt/${type}/${eventId}`, body)

async function receiptsSeenBy(client: RoomClient, where = room): Promise<Content> {
  const { rooms } = await client.get('sync', '/sync')
  const events = rooms.join[where].ephemeral.events as { type: string; content: Content }[]
  return events.find(({ type }) => type === 'm.receipt')?.content ?? {}
}

describe('POST /receipt', () => {
  it('moves forward only, and shows the time', async () => {
    const ts = hearth.services.clock()
    await bob.do('postReceipt', 'POST', `/rooms/${room}/receipt/m.read/${second}`)
    hearth.advance(1000)
    assert.equal((await receipt(bob, 'm.read', first)).status, 200)
    assert.equal((await receipt(bob, 'm.read', second)).status, 200)
    assert.deepEqual(await receiptsSeenBy(alice), { [second]: { 'm.read': { [bob.userId]: { ts } } } })
  })

  it('shows private ones to nobody else', async () => {
    await receipt(alice, 'm.read.private', second)
    assert.ok(alice.userId in ((await receiptsSeenBy(alice))[second]?.['m.read.private'] ?? {}))
    assert.equal(JSON.stringify(await receiptsSeenBy(bob)).includes('private'), false)
  })

  it('shows the one without a thread of two on one event, whichever came last', async () => {
    const own = await alice.createRoom()
    const event = await alice.send(own)
    await receipt(alice, 'm.read', event, {}, own)
    await receipt(alice, 'm.read', event, { thread_id: 'main' }, own)
    const shown = (await receiptsSeenBy(alice, own))[event]?.['m.read']?.[alice.userId]
    assert.deepEqual(shown, { ts: hearth.services.clock() })
  })

  it('keeps one for each thread, next to the one without', async () => {
    const own = await alice.createRoom()
    const root = await alice.send(own)
    const thread = { rel_type: 'm.thread', event_id: root }
    const reply = await alice.send(own, { msgtype: 'm.text', body: 'in the thread', 'm.relates_to': thread })
    const body = { thread_id: root }
    assert.equal((await receipt(alice, 'm.read', root, {}, own)).status, 200)
    assert.equal((await receipt(alice, 'm.read', root, { thread_id: 'main' }, own)).status, 200)
    assert.equal((await receipt(alice, 'm.read', reply, body, own)).status, 200)
    assert.equal((await receipt(alice, 'm.read', root, body, own)).status, 200, 'an earlier one changes nothing')
    const seen = await receiptsSeenBy(alice, own)
    assert.equal(seen[reply]?.['m.read']?.[alice.userId]?.thread_id, root)
    assert.ok(seen[root]?.['m.read']?.[alice.userId] !== undefined)

    for (const [eventId, threadId] of [
      [reply, 'main'],
      [reply, second],
      [root, reply],
    ] as const) {
      const { status, body: answer } = await receipt(alice, 'm.read', eventId, { thread_id: threadId }, own)
      assert.deepEqual([status, answer.errcode], [400, 'M_INVALID_PARAM'], `${eventId} in ${threadId}`)
    }
  })

  it('refuses what is not a thread, a type, an event or a member', async () => {
    const outsider = new RoomClient(hearth, await hearth.user('outsider'))
    const elsewhere = await alice.send(await alice.createRoom())
    for (const [answer, status, errcode] of [
      [await receipt(bob, 'm.read', first, { thread_id: '' }), 400, 'M_INVALID_PARAM'],
      [await receipt(bob, 'm.read', first, { thread_id: 5 }), 400, 'M_INVALID_PARAM'],
      [await receipt(bob, 'm.read', first, { thread_id: null }), 400, 'M_INVALID_PARAM'],
      [await receipt(bob, 'm.fully_read', first, { thread_id: 'main' }), 400, 'M_INVALID_PARAM'],
      [await receipt(bob, 'm.seen', first), 400, 'M_INVALID_PARAM'],
      [await receipt(bob, 'm.read', 'x'), 400, 'M_INVALID_PARAM'],
      [await receipt(bob, 'm.read', '$unknown'), 404, 'M_NOT_FOUND'],
      [await receipt(bob, 'm.read', elsewhere), 404, 'M_NOT_FOUND'],
      [await receipt(outsider, 'm.read', first), 403, 'M_FORBIDDEN'],
      [await receipt(outsider, 'm.read', first, {}, '!unknown'), 403, 'M_FORBIDDEN'],
    ] as const) {
      assert.deepEqual([answer.status, answer.body.errcode], [status, errcode])
    }
  })
})

describe('the fully read marker', () => {
  const marker = async (client: RoomClient, where: string) => {
    const path = `/user/${client.userId}/rooms/${where}/account_data/m.fully_read`
    return (await client.request('GET', path)).body.event_id
  }

  it('is account data of the room that moves forward only, set by either endpoint', async () => {
    await alice.do('setReadMarker', 'POST', `/rooms/${room}/read_markers`, { 'm.fully_read': first })
    assert.equal(await marker(alice, room), first)
    assert.equal((await receipt(alice, 'm.fully_read', second)).status, 200)
    assert.equal(await marker(alice, room), second)
    await alice.do('setReadMarker', 'POST', `/rooms/${room}/read_markers`, { 'm.fully_read': first })
    assert.equal(await marker(alice, room), second)
    const { rooms } = await alice.get('sync', '/sync')
    assert.deepEqual(rooms.join[room].account_data.events, [{ type: 'm.fully_read', content: { event_id: second } }])
  })

  it('comes with receipts in one request, all or none', async () => {
    const own = await bob.createRoom()
    const event = await bob.send(own)
    const path = `/rooms/${own}/read_markers`
    const wrong = { 'm.fully_read': event, 'm.read': event, 'm.read.private': second }
    assert.equal((await bob.request('POST', path, wrong)).status, 404)
    assert.deepEqual([await marker(bob, own), await receiptsSeenBy(bob, own)], [undefined, {}])
    const right = { 'm.fully_read': event, 'm.read': event, 'm.read.private': event }
    assert.equal((await bob.request('POST', path, right)).status, 200)
    assert.equal(await marker(bob, own), event)
    assert.deepEqual(Object.keys((await receiptsSeenBy(bob, own))[event] ?? {}).sort(), ['m.read', 'm.read.private'])
  })
})

describe('PUT /typing', () => {
  const typing = (client: RoomClient, body: object, user = client, where = room) =>
    client.request('PUT', `/rooms/${where}/typing/${user.userId}`, body)

  it('tells the room of those who type, until they stop', async () => {
    const { next_batch: since } = await alice.get('sync', '/sync')
    const waiting = alice.get('sync', `/sync?since=${since}&timeout=30000`)
    await bob.do('setTyping', 'PUT', `/rooms/${room}/typing/${bob.userId}`, { typing: true, timeout: 20_000 })
    const started = await waiting
    const event = { type: 'm.typing', content: { user_ids: [bob.userId] } }
    assert.deepEqual(started.rooms.join[room].ephemeral.events, [event])
    const stopped = alice.get('sync', `/sync?since=${started.next_batch}&timeout=30000`)
    assert.equal((await typing(bob, { typing: false })).status, 200)
    assert.deepEqual((await stopped).rooms.join[room].ephemeral.events, [{ ...event, content: { user_ids: [] } }])
  })

  it('ends when one leaves the room', async () => {
    await typing(bob, { typing: true, timeout: 100_000 })
    const { next_batch: since } = await alice.get('sync', '/sync')
    await bob.leave(room)
    let from = since
    const told: object[] = []
    while (told.length === 0) {
      const answer = await alice.get('sync', `/sync?since=${from}&timeout=30000`)
      told.push(...(answer.rooms.join[room]?.ephemeral.events ?? []))
      from = answer.next_batch
    }
    assert.deepEqual(told, [{ type: 'm.typing', content: { user_ids: [] } }])
    await bob.join(room)
  })

  it('is for oneself, in rooms that one is in', async () => {
    const own = await alice.createRoom()
    for (const [answer, status, errcode] of [
      [await typing(bob, { typing: true }, alice), 403, 'M_FORBIDDEN'],
      [await typing(bob, { typing: true }, bob, own), 403, 'M_FORBIDDEN'],
      [await typing(bob, {}), 400, 'M_MISSING_PARAM'],
      [await typing(bob, { typing: 'yes' }), 400, 'M_BAD_JSON'],
      [await typing(bob, { typing: true, timeout: -1 }), 400, 'M_BAD_JSON'],
    ] as const) {
      assert.deepEqual([answer.status, answer.body.errcode], [status, errcode])
    }
  })
})
