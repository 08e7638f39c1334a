/** Paging through rooms: /messages, /context, single events, timestamp_to_event. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { RoomId, UserId } from '#core/ids.ts'
import { type Hearth, startHearth } from '#test/harness/hearth.ts'
import { RoomClient } from '#test/harness/room-client.ts'

type Page = { start: string; end?: string; chunk: { event_id: string; type: string; [key: string]: unknown }[] }

let hearth: Hearth
let alice: RoomClient
let bob: RoomClient
/** A room with an event a second, and the events that Alice sent. */
let room: string
const sent: string[] = []

const filterParam = (filter: object) => encodeURIComponent(JSON.stringify(filter))
const ids = (events: readonly { event_id: string }[]) => events.map(({ event_id }) => event_id)

/** All pages from a token on; fails when it doesn't end. */
async function walk(client: RoomClient, path: string, from?: string): Promise<Page[]> {
  const pages: Page[] = []
  for (let token = from; pages.length < 100; token = pages.at(-1)?.end) {
    if (pages.length > 0 && token === undefined) return pages
    pages.push(await client.get('getRoomEvents', path + (token === undefined ? '' : `&from=${token}`)))
  }
  assert.fail('the pages do not end')
}

before(async () => {
  hearth = await startHearth()
  alice = new RoomClient(hearth, await hearth.user('alice'))
  bob = new RoomClient(hearth, await hearth.user('bob'))
  room = await alice.createRoom({ preset: 'public_chat' })
  for (let i = 0; i < 12; i += 1) {
    hearth.advance(1000)
    sent.push(await alice.send(room, { msgtype: 'm.text', body: `message ${i}` }))
  }
  await bob.join(room)
})
after(() => hearth[Symbol.asyncDispose]())

describe('GET /messages', () => {
  it('goes backwards from the end to the create event, then leaves out end', async () => {
    const pages = await walk(bob, `/rooms/${room}/messages?dir=b&limit=5`)
    const events = pages.flatMap(({ chunk }) => chunk)
    assert.equal(events.at(-1)?.type, 'm.room.create')
    assert.deepEqual(ids(events.filter(({ type }) => type === 'm.room.message')), sent.toReversed())
    assert.equal(new Set(ids(events)).size, events.length)
    assert.ok(pages.slice(0, -1).every(({ chunk }) => chunk.length === 5))
    assert.ok(pages.slice(1).every((page, i) => page.start === pages[i]?.end))
  })

  it('goes forwards from the start to the end, then leaves out end', async () => {
    const forwards = (await walk(bob, `/rooms/${room}/messages?dir=f&limit=4`)).flatMap(({ chunk }) => chunk)
    const backwards = (await walk(bob, `/rooms/${room}/messages?dir=b`)).flatMap(({ chunk }) => chunk)
    assert.deepEqual(ids(forwards), ids(backwards).toReversed())
  })

  it('leaves out end where the page is full and holds the last event there is', async () => {
    const all = await bob.get('getRoomEvents', `/rooms/${room}/messages?dir=b&limit=1000`)
    const page = await bob.get('getRoomEvents', `/rooms/${room}/messages?dir=b&limit=${all.chunk.length}`)
    assert.equal(page.chunk.length, all.chunk.length)
    assert.equal('end' in page, false)
  })

  it('takes tokens of /sync and its own, in both directions', async () => {
    const sync = await bob.get('sync', '/sync')
    const { prev_batch: prevBatch, events } = sync.rooms.join[room].timeline
    const older = await bob.get('getRoomEvents', `/rooms/${room}/messages?dir=b&limit=1&from=${prevBatch}`)
    const first = await bob.get('getRoomEvents', `/rooms/${room}/messages?dir=f&limit=1&from=${prevBatch}`)
    assert.equal(first.chunk[0].event_id, events[0].event_id)
    const next = await bob.get('getRoomEvents', `/rooms/${room}/messages?dir=f&from=${older.start}`)
    assert.equal(next.chunk[0].event_id, events[0].event_id)

    const last = await bob.get('getRoomEvents', `/rooms/${room}/messages?dir=b&limit=1&from=${sync.next_batch}`)
    assert.equal(last.chunk[0].event_id, events.at(-1).event_id)
    const none = await bob.get('getRoomEvents', `/rooms/${room}/messages?dir=f&from=${sync.next_batch}`)
    assert.deepEqual(none, { start: sync.next_batch, chunk: [] })
  })

  it('stops at to', async () => {
    const [newest, middle] = await walk(bob, `/rooms/${room}/messages?dir=b&limit=3`)
    const path = `/rooms/${room}/messages?dir=b&from=${newest?.end}&to=${middle?.end}&limit=100`
    const page = await bob.get('getRoomEvents', path)
    assert.deepEqual(ids(page.chunk), ids(middle?.chunk ?? []))
    assert.equal('end' in page, false)
    const back = `/rooms/${room}/messages?dir=f&from=${middle?.end}&to=${newest?.end}&limit=100`
    assert.deepEqual(ids((await bob.get('getRoomEvents', back)).chunk), ids(middle?.chunk ?? []).toReversed())
  })

  it('filters, and counts only what passes', async () => {
    const filter = filterParam({ types: ['m.room.mem*'] })
    const page = await bob.get('getRoomEvents', `/rooms/${room}/messages?dir=b&limit=2&filter=${filter}`)
    assert.deepEqual(
      page.chunk.map(({ state_key }: { state_key: string }) => state_key),
      [bob.userId, alice.userId],
    )
    const nothing = await bob.get('getRoomEvents', `/rooms/${room}/messages?dir=b&filter=${filterParam({ types: [] })}`)
    assert.deepEqual([nothing.chunk, 'end' in nothing], [[], false])
  })

  it('takes the smaller of the limits, at least one and 10 by default', async () => {
    const count = async (query: string) =>
      (await bob.get('getRoomEvents', `/rooms/${room}/messages?dir=b&${query}`)).chunk.length
    assert.equal(await count(''), 10)
    assert.equal(await count('limit=0'), 1)
    assert.equal(await count(`limit=5&filter=${filterParam({ limit: 3 })}`), 3)
    assert.equal(await count(`limit=2&filter=${filterParam({ limit: 3 })}`), 2)
  })

  it('adds the members who sent the page, where they are loaded lazily', async () => {
    const filter = filterParam({ lazy_load_members: true, types: ['m.room.message'] })
    const page = await bob.get('getRoomEvents', `/rooms/${room}/messages?dir=b&limit=3&filter=${filter}`)
    assert.deepEqual(
      page.state.map(({ type, state_key }: { type: string; state_key: string }) => [type, state_key]),
      [['m.room.member', alice.userId]],
    )
    assert.equal('state' in (await bob.get('getRoomEvents', `/rooms/${room}/messages?dir=b`)), false)
  })

  it('repeats a member who was changed on the page, where they are loaded lazily', async () => {
    const own = await alice.createRoom()
    const renamed = await alice.setState(own, 'm.room.member', { membership: 'join', displayname: 'A' }, alice.userId)
    const filter = filterParam({ lazy_load_members: true })
    for (const dir of ['b', 'f']) {
      const page = await alice.get('getRoomEvents', `/rooms/${own}/messages?dir=${dir}&limit=100&filter=${filter}`)
      assert.ok(ids(page.chunk).includes(renamed))
      assert.deepEqual(
        page.state.map(({ state_key }: { state_key: string }) => state_key),
        [alice.userId],
      )
    }
  })

  it('filters by relations', async () => {
    const [target = ''] = sent
    const own = await bob.createRoom()
    const root = await bob.send(own)
    await bob.send(own, { 'm.relates_to': { rel_type: 'm.annotation', event_id: root, key: '+' } }, 'm.reaction')
    const chunk = async (filter: object) =>
      ids((await bob.get('getRoomEvents', `/rooms/${own}/messages?dir=b&filter=${filterParam(filter)}`)).chunk)
    assert.deepEqual(await chunk({ related_by_rel_types: ['m.annotation'] }), [root])
    assert.deepEqual(await chunk({ related_by_senders: [bob.userId] }), [root])
    assert.deepEqual(await chunk({ related_by_rel_types: ['m.thread'] }), [])
    assert.deepEqual(await chunk({ related_by_senders: [alice.userId] }), [])
    assert.ok(target.startsWith('$'))
  })

  it('refuses what is not a token, a direction, a limit or a filter', async () => {
    for (const [query, errcode] of [
      ['dir=b&from=x', 'M_INVALID_PARAM'],
      ['dir=b&from=', 'M_INVALID_PARAM'],
      ['dir=b&to=s1_x', 'M_INVALID_PARAM'],
      ['dir=up', 'M_INVALID_PARAM'],
      ['', 'M_MISSING_PARAM'],
      ['dir=b&limit=-1', 'M_INVALID_PARAM'],
      ['dir=b&limit=1e1', 'M_INVALID_PARAM'],
      ['dir=b&filter=x', 'M_NOT_JSON'],
      ['dir=b&filter=[]', 'M_BAD_JSON'],
    ] as const) {
      const { status, body } = await bob.request('GET', `/rooms/${room}/messages?${query}`)
      assert.deepEqual([query, status, body.errcode], [query, 400, errcode])
    }
  })
})

describe('S49: pages of nothing', () => {
  it('walk through 5,000 events that the filter leaves out to the start of the room', async () => {
    const long = await alice.createRoom()
    const sender = { userId: alice.userId as UserId, isGuest: false, isAdmin: false }
    const noise = { roomId: long as RoomId, sender, type: 'org.example.noise', content: {} }
    for (let i = 0; i < 10; i += 1) {
      await Promise.all(Array.from({ length: 500 }, () => hearth.services.rooms.sending.send(noise)))
    }
    const filter = filterParam({ not_types: ['org.example.noise'] })
    const pages = await walk(alice, `/rooms/${long}/messages?dir=b&limit=5&filter=${filter}`)
    assert.deepEqual(pages[0]?.chunk, [])
    assert.ok(pages[0]?.end !== undefined)
    assert.equal(pages.flatMap(({ chunk }) => chunk).at(-1)?.type, 'm.room.create')
    assert.equal('end' in pages.at(-1)!, false)
  })

  it('walk through events from before one joined to the end of what can be seen', async () => {
    const closed = await alice.createRoom({
      preset: 'public_chat',
      initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: 'joined' } }],
    })
    const hidden = [await alice.send(closed), await alice.send(closed), await alice.send(closed)]
    await bob.join(closed)
    const seen = await bob.send(closed)
    const events = (await walk(bob, `/rooms/${closed}/messages?dir=b&limit=1`)).flatMap(({ chunk }) => chunk)
    assert.equal(events[0]?.event_id, seen)
    assert.equal(events[1]?.['state_key'], bob.userId)
    assert.equal(events.at(-1)?.type, 'm.room.create', 'what came before the visibility was narrowed is shared')
    assert.deepEqual(
      events.filter(({ event_id }) => hidden.includes(event_id)),
      [],
    )
  })
})

describe('GET /context', () => {
  it('shares the limit between before and after, with tokens to go on both ways', async () => {
    const target = sent[6] ?? ''
    const context = await bob.get('getEventContext', `/rooms/${room}/context/${target}?limit=5`)
    assert.equal(context.event.event_id, target)
    assert.deepEqual(ids(context.events_before), [sent[5], sent[4]])
    assert.deepEqual(ids(context.events_after), [sent[7], sent[8], sent[9]])
    const older = await bob.get('getRoomEvents', `/rooms/${room}/messages?dir=b&limit=1&from=${context.start}`)
    assert.equal(older.chunk[0].event_id, sent[3])
    const newer = await bob.get('getRoomEvents', `/rooms/${room}/messages?dir=f&limit=1&from=${context.end}`)
    assert.equal(newer.chunk[0].event_id, sent[10])
  })

  it('gives the state at the last event', async () => {
    const own = await alice.createRoom({ name: 'before' })
    const message = await alice.send(own)
    await alice.setState(own, 'm.room.name', { name: 'after' })
    const nameIn = async (query: string) => {
      const { state } = await alice.get('getEventContext', `/rooms/${own}/context/${message}?${query}`)
      return state.find(({ type }: { type: string }) => type === 'm.room.name').content.name
    }
    assert.equal(await nameIn('limit=0'), 'before')
    assert.equal(await nameIn('limit=2'), 'after')
  })

  it('with lazy loading gives only the members that sent the events', async () => {
    const filter = filterParam({ lazy_load_members: true })
    const context = await bob.get('getEventContext', `/rooms/${room}/context/${sent[6]}?limit=0&filter=${filter}`)
    const members = context.state.filter(({ type }: { type: string }) => type === 'm.room.member')
    assert.deepEqual(
      members.map(({ state_key }: { state_key: string }) => state_key),
      [alice.userId],
    )
    assert.deepEqual([context.events_before, context.events_after], [[], []])
  })

  it('answers 404 for events that are unknown or in another room', async () => {
    const other = await bob.createRoom()
    for (const path of [`/rooms/${room}/context/$unknown`, `/rooms/${other}/context/${sent[0]}`]) {
      const { status, body } = await bob.request('GET', path)
      assert.deepEqual([status, body.errcode], [404, 'M_NOT_FOUND'])
    }
  })
})

describe('single events', () => {
  it('come with what the server computes', async () => {
    const event = await alice.get('getOneRoomEvent', `/rooms/${room}/event/${sent[11]}`)
    const age = hearth.services.clock() - event.origin_server_ts
    assert.equal(event.room_id, room)
    assert.equal(event.unsigned.age, age)
    assert.equal(event.unsigned.membership, 'join')
    assert.equal(typeof event.unsigned.transaction_id, 'string')
    const forBob = await bob.get('getOneEvent', `/events/${sent[11]}`)
    assert.deepEqual(forBob.unsigned, { age, membership: 'leave' })
  })

  it('show the transaction id to the device that sent them alone', async () => {
    const login = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: 'alice' },
      password: 'password of alice',
    }
    const { body } = await hearth.request('POST', '/login', { body: login })
    const otherDevice = new RoomClient(hearth, { ...body, userId: body.user_id, token: body.access_token })
    const event = await otherDevice.get('getOneRoomEvent', `/rooms/${room}/event/${sent[11]}`)
    assert.equal('transaction_id' in event.unsigned, false)
  })

  it('show the transaction id that the client gave, also where it gave it to two endpoints', async () => {
    const put = async (type: string) => {
      const path = `/rooms/${room}/send/${type}/same`
      return (await alice.do('sendMessage', 'PUT', path, { body: 'x', msgtype: 'm.text' })).event_id
    }
    const both = [await put('m.room.message'), await put('m.other')]
    assert.notEqual(both[0], both[1])
    assert.deepEqual([await put('m.room.message'), await put('m.other')], both)
    for (const id of both) {
      const { unsigned } = await alice.get('getOneRoomEvent', `/rooms/${room}/event/${id}`)
      assert.equal(unsigned.transaction_id, 'same')
    }
  })

  it('show the transaction id of a redaction too, beside what it redacted', async () => {
    const body = { body: 'x', msgtype: 'm.text' }
    const id = (await alice.do('sendMessage', 'PUT', `/rooms/${room}/send/m.room.message/redacted`, body)).event_id
    await alice.do('redactEvent', 'PUT', `/rooms/${room}/redact/${id}/by-this`, {})
    const { unsigned } = await alice.get('getOneRoomEvent', `/rooms/${room}/event/${id}`)
    assert.equal(unsigned.redacted_because.unsigned.transaction_id, 'by-this')
  })

  it('name their sender as old clients know it, outside of /sync', async () => {
    const lists = [
      [await alice.get('getOneRoomEvent', `/rooms/${room}/event/${sent[3]}`)],
      (await alice.get('getRoomEvents', `/rooms/${room}/messages?dir=b`)).chunk,
      (await alice.get('getEventContext', `/rooms/${room}/context/${sent[3]}`)).events_before,
      await alice.get('getRoomState', `/rooms/${room}/state`),
      (await alice.get('getMembersByRoom', `/rooms/${room}/members`)).chunk,
      (await alice.get('roomInitialSync', `/rooms/${room}/initialSync`)).messages.chunk,
    ]
    for (const list of lists) {
      assert.ok(list.length > 0)
      for (const event of list) assert.equal(event.user_id, event.sender)
    }
    const { timeline } = (await alice.get('sync', '/sync')).rooms.join[room]
    assert.equal('user_id' in timeline.events[0], false)
  })

  it('show what they replaced', async () => {
    const own = await alice.createRoom({ name: 'before' })
    const { event_id: before } = (await alice.request('GET', `/rooms/${own}/state/m.room.name?format=event`)).body
    const after = await alice.setState(own, 'm.room.name', { name: 'after' })
    const { unsigned } = await alice.get('getOneRoomEvent', `/rooms/${own}/event/${after}`)
    assert.deepEqual(
      [unsigned.prev_content, unsigned.prev_sender, unsigned.replaces_state],
      [{ name: 'before' }, alice.userId, before],
    )
    const first = await alice.get('getOneRoomEvent', `/rooms/${own}/event/${before}`)
    assert.equal('prev_content' in first.unsigned, false)
  })

  it('show nothing of their content once redacted, but by what', async () => {
    const own = await alice.createRoom()
    const target = await alice.send(own, { msgtype: 'm.text', body: 'regretted' })
    const { event_id: redaction } = await alice.do('redactEvent', 'PUT', `/rooms/${own}/redact/${target}/r`, {
      reason: 'because',
    })
    for (const event of [
      await alice.get('getOneRoomEvent', `/rooms/${own}/event/${target}`),
      (await alice.get('getRoomEvents', `/rooms/${own}/messages?dir=b`)).chunk[1],
      (await alice.get('getEventContext', `/rooms/${own}/context/${target}`)).event,
    ]) {
      assert.deepEqual([event.event_id, event.content], [target, {}])
      const { redacted_because: because } = event.unsigned
      assert.deepEqual(
        [because.event_id, because.room_id, because.redacts, because.content],
        [redaction, own, target, { reason: 'because', redacts: target }],
      )
    }
  })

  it('are not found by the wrong room or a made-up id', async () => {
    const other = await bob.createRoom()
    for (const path of [`/rooms/${room}/event/$unknown`, `/rooms/${other}/event/${sent[0]}`, '/events/$unknown']) {
      const { status, body } = await bob.request('GET', path)
      assert.deepEqual([status, body.errcode], [404, 'M_NOT_FOUND'])
    }
  })
})

describe('GET /timestamp_to_event', () => {
  const near = (client: RoomClient, where: string, ts: number, dir: 'f' | 'b') =>
    client.request('GET', `/_matrix/client/v1/rooms/${where}/timestamp_to_event?ts=${ts}&dir=${dir}`)

  it('finds the closest event in a direction', async () => {
    const { origin_server_ts: ts } = await alice.get('getOneRoomEvent', `/rooms/${room}/event/${sent[3]}`)
    const path = `/_matrix/client/v1/rooms/${room}/timestamp_to_event`
    const exact = await bob.get('getEventByTimestamp', `${path}?ts=${ts}&dir=f`)
    assert.deepEqual(exact, { event_id: sent[3], origin_server_ts: ts })
    assert.equal((await near(bob, room, ts, 'b')).body.event_id, sent[3])
    assert.equal((await near(bob, room, ts - 1, 'b')).body.event_id, sent[2])
    assert.equal((await near(bob, room, ts + 1, 'f')).body.event_id, sent[4])
  })

  it('answers 404 where there is none, and passes over those that cannot be seen', async () => {
    assert.equal((await near(bob, room, 5_000_000_000_000, 'f')).status, 404)
    assert.equal((await near(bob, room, 0, 'b')).status, 404)
    const closed = await alice.createRoom({
      preset: 'public_chat',
      initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: 'joined' } }],
    })
    hearth.advance(1000)
    const hiddenFrom = hearth.services.clock()
    // More than are tried one after another.
    for (let i = 0; i < 55; i += 1) {
      hearth.advance(1)
      await alice.send(closed)
    }
    hearth.advance(1)
    await bob.join(closed)
    const { body } = await near(bob, closed, hiddenFrom, 'f')
    const event = await bob.get('getOneRoomEvent', `/rooms/${closed}/event/${body.event_id}`)
    assert.deepEqual([event.type, event.state_key], ['m.room.member', bob.userId])
  })
})
