/** /initialSync and /events, as clients used them before /sync and still do to peek. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Hearth, type Reply, startHearth } from '#test/harness/hearth.ts'
import { RoomClient } from '#test/harness/room-client.ts'

let hearth: Hearth
let alice: RoomClient
let bob: RoomClient

before(async () => {
  hearth = await startHearth()
  alice = new RoomClient(hearth, await hearth.user('alice'))
  bob = new RoomClient(hearth, await hearth.user('bob'))
})
after(() => hearth[Symbol.asyncDispose]())

const ofType = (chunk: { type: string }[], type: string) => chunk.filter((event) => event.type === type)

describe('GET /initialSync', () => {
  it('tells of rooms one is in, is invited to and, if asked, was in', async () => {
    const joined = await alice.createRoom({ name: 'joined', preset: 'public_chat', visibility: 'public' })
    const left = await alice.createRoom({ preset: 'public_chat' })
    const invited = await alice.createRoom({ name: 'secret' })
    await bob.join(joined)
    await bob.join(left)
    await bob.leave(left)
    await alice.send(left)
    await alice.invite(invited, bob)
    const message = await alice.send(joined)
    await bob.do('setReadMarker', 'POST', `/rooms/${joined}/read_markers`, { 'm.fully_read': message })

    const answer = await bob.get('initialSync', '/initialSync?limit=2')
    const rooms = new Map<string, Reply['body']>()
    for (const info of answer.rooms) rooms.set(info.room_id, info)
    assert.deepEqual([...rooms.keys()].sort(), [joined, invited].sort())
    const room = rooms.get(joined)
    assert.deepEqual([room.membership, room.visibility], ['join', 'public'])
    const { chunk, start } = room.messages
    assert.deepEqual([chunk.length, chunk[1].event_id], [2, message])
    const older = await bob.get('getRoomEvents', `/rooms/${joined}/messages?dir=b&limit=1&from=${start}`)
    const after = await bob.get('getRoomEvents', `/rooms/${joined}/messages?dir=f&limit=1&from=${older.end}`)
    assert.deepEqual(after.chunk, older.chunk)
    assert.equal(ofType(room.state, 'm.room.name').length, 1)
    assert.deepEqual(room.account_data, [{ type: 'm.fully_read', content: { event_id: message } }])
    assert.ok(ofType(answer.account_data, 'm.push_rules').length === 1)

    const invitation = rooms.get(invited)
    assert.deepEqual(Object.keys(invitation).sort(), ['invite', 'inviter', 'membership', 'room_id'])
    assert.equal(JSON.stringify(invitation).includes('secret'), false)

    const archived = await bob.get('initialSync', '/initialSync?archived=true')
    const gone = archived.rooms.find((info: { room_id: string }) => info.room_id === left)
    assert.equal(gone.membership, 'leave')
    assert.equal(gone.messages.chunk.at(-1).content.membership, 'leave', 'nothing after one has gone')
  })
})

describe('GET /events', () => {
  const stream = (client: RoomClient, from: string, timeout = 30_000) =>
    client.get('getEvents', `/events?from=${from}&timeout=${timeout}`)
  const now = async (client: RoomClient) => (await client.get('getEvents', '/events')).end as string

  it('waits for events of rooms that one is in, and goes on from end', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    const other = await alice.createRoom()
    await bob.join(room)
    const start = await now(bob)
    const waiting = stream(bob, start)
    await alice.send(other)
    const message = await alice.send(room)
    const answer = await waiting
    assert.deepEqual(
      answer.chunk.map(({ event_id }: { event_id: string }) => event_id),
      [message],
    )
    assert.equal(answer.start, start)
    const { chunk, end } = await stream(bob, answer.end, 0)
    assert.deepEqual(chunk, [])
    const next = await alice.send(room)
    assert.equal((await stream(bob, end)).chunk[0].event_id, next)
  })

  it('tells of invitations, of what one sees until one leaves, and of no more', async () => {
    const room = await alice.createRoom({ name: 'secret' })
    const start = await now(bob)
    await alice.invite(room, bob)
    const invited = await stream(bob, start)
    assert.deepEqual(
      invited.chunk.map(({ content }: { content: object }) => content),
      [{ membership: 'invite', displayname: 'bob' }],
    )
    await bob.join(room)
    const seen = await alice.send(room)
    await bob.leave(room)
    await alice.send(room)
    const { chunk } = await stream(bob, invited.end)
    assert.deepEqual(
      chunk.map(({ content, event_id }: { content: { membership?: string }; event_id: string }) =>
        event_id === seen ? 'seen' : content.membership,
      ),
      ['join', 'seen', 'leave'],
    )
  })

  it('tells of typing, receipts and account data with their room', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const message = await alice.send(room)
    const start = await now(bob)
    const events = async (from: string) => (await bob.request('GET', `/events?from=${from}&timeout=30000`)).body
    await alice.request('POST', `/rooms/${room}/receipt/m.read/${message}`, {})
    await alice.request('POST', `/rooms/${room}/receipt/m.read.private/${message}`, {})
    await bob.request('PUT', `/user/${bob.userId}/rooms/${room}/tags/m.favourite`, {})
    await alice.request('PUT', `/rooms/${room}/typing/${alice.userId}`, { typing: true })
    const answer = await events(start)
    assert.deepEqual(answer.chunk.map(({ type }: { type: string }) => type).sort(), ['m.receipt', 'm.tag', 'm.typing'])
    assert.ok(answer.chunk.every(({ room_id }: { room_id: string }) => room_id === room))
    assert.equal(JSON.stringify(answer).includes('m.read.private'), false)
    await alice.request('PUT', `/rooms/${room}/typing/${alice.userId}`, { typing: false })
    const typing = { type: 'm.typing', room_id: room, content: { user_ids: [] } }
    assert.deepEqual((await events(answer.end)).chunk, [typing])
  })

  it('leaves out what ignored users say and whom they invite', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const ignored = { ignored_users: { [alice.userId]: {} } }
    await bob.request('PUT', `/user/${bob.userId}/account_data/m.ignored_user_list`, ignored)
    const start = await now(bob)
    await alice.send(room)
    await alice.invite(await alice.createRoom(), bob)
    await alice.setState(room, 'm.room.name', { name: 'state is told' })
    const { chunk } = await stream(bob, start)
    assert.deepEqual(
      chunk.map(({ type }: { type: string }) => type),
      ['m.room.name'],
    )
    await bob.request('PUT', `/user/${bob.userId}/account_data/m.ignored_user_list`, { ignored_users: {} })
  })

  it('refuses tokens that are none, or of one room', async () => {
    for (const from of ['x', '']) {
      const { status, body } = await bob.request('GET', `/events?from=${from}`)
      assert.deepEqual([from, status, body.errcode], [from, 400, 'M_INVALID_PARAM'])
    }
  })
})

describe('peeking', () => {
  const openRoom = {
    initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: 'world_readable' } }],
  }

  it('shows a world-readable room as it goes on, to guests too, with either kind of token', async () => {
    const room = await alice.createRoom(openRoom)
    const { body: guest } = await hearth.request('POST', '/register?kind=guest', { body: {} })
    const peeker = new RoomClient(hearth, {
      userId: guest.user_id,
      token: guest.access_token,
      deviceId: '',
      password: '',
    })
    const info = await peeker.get('roomInitialSync', `/rooms/${room}/initialSync`)
    assert.equal('membership' in info, false)
    const waiting = peeker.get('peekEvents', `/events?room_id=${room}&from=${info.messages.end}&timeout=30000`)
    const message = await alice.send(room)
    assert.deepEqual(
      (await waiting).chunk.map(({ event_id }: { event_id: string }) => event_id),
      [message],
    )
    const context = await peeker.get('getEventContext', `/rooms/${room}/context/${message}`)
    const next = await alice.send(room)
    const later = await peeker.get('peekEvents', `/events?room_id=${room}&from=${context.end}`)
    assert.equal(later.chunk[0].event_id, next)
    assert.equal((await peeker.request('GET', '/events')).body.errcode, 'M_GUEST_ACCESS_FORBIDDEN')
    assert.equal((await peeker.request('GET', `/rooms/${await alice.createRoom()}/initialSync`)).status, 403)
  })

  it('ends when the room closes', async () => {
    const room = await alice.createRoom(openRoom)
    const { messages } = await bob.get('roomInitialSync', `/rooms/${room}/initialSync`)
    await alice.setState(room, 'm.room.history_visibility', { history_visibility: 'shared' })
    await alice.send(room)
    const { status } = await bob.request('GET', `/events?room_id=${room}&from=${messages.end}`)
    assert.equal(status, 403)
  })
})
