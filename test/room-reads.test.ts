/** A room's state and members, and the parameters of /sync. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Hearth, startHearth } from '#test/harness/hearth.ts'
import { RoomClient } from '#test/harness/room-client.ts'

type Member = { state_key: string; content: { membership: string } }

let hearth: Hearth
let alice: RoomClient
let bob: RoomClient
let carol: RoomClient
let room: string

before(async () => {
  hearth = await startHearth()
  alice = new RoomClient(hearth, await hearth.user('alice'))
  bob = new RoomClient(hearth, await hearth.user('bob'))
  carol = new RoomClient(hearth, await hearth.user('carol'))
  room = await alice.createRoom({ name: 'a name', preset: 'public_chat' })
})
after(() => hearth[Symbol.asyncDispose]())

describe('GET /state', () => {
  it('lists the whole state', async () => {
    const state: { type: string }[] = await alice.get('getRoomState', `/rooms/${room}/state`)
    const types = state.map(({ type }) => type)
    for (const type of ['m.room.create', 'm.room.member', 'm.room.power_levels', 'm.room.name']) {
      assert.equal(types.filter((found) => found === type).length, 1, type)
    }
  })

  it('gives the content of one event, with and without a slash for the empty key', async () => {
    for (const path of ['m.room.name', 'm.room.name/', 'm.room.name?format=content']) {
      const content = await alice.get('getRoomStateWithKey', `/rooms/${room}/state/${path}`)
      assert.deepEqual(content, { name: 'a name' })
    }
    const own = `/rooms/${room}/state/m.room.member/${encodeURIComponent(alice.userId)}`
    assert.equal((await alice.get('getRoomStateWithKey', own)).membership, 'join')
  })

  it('gives the whole event where that is asked for', async () => {
    // No schema fits: the specification's two alternatives fit an event both.
    const { body } = await alice.request('GET', `/rooms/${room}/state/m.room.name/?format=event`)
    assert.deepEqual([body.type, body.state_key, body.room_id], ['m.room.name', '', room])
    assert.equal(typeof body.event_id, 'string')
    assert.equal((await alice.request('GET', `/rooms/${room}/state/m.room.name/?format=x`)).status, 400)
  })

  it('answers 404 for state that is not there', async () => {
    for (const path of ['m.room.topic', 'm.room.name/x', 'org.example.never/']) {
      const { status, body } = await alice.request('GET', `/rooms/${room}/state/${path}`)
      assert.deepEqual([path, status, body.errcode], [path, 404, 'M_NOT_FOUND'])
    }
  })
})

describe('GET /members', () => {
  const members = async (query = '') => {
    const { chunk } = await alice.get('getMembersByRoom', `/rooms/${room}/members${query}`)
    return Object.fromEntries(chunk.map(({ state_key, content }: Member) => [state_key, content.membership]))
  }
  const tokens: { sync: string; page: string }[] = []

  before(async () => {
    const mark = async () => {
      const { next_batch: sync } = await alice.get('sync', '/sync')
      const { start: page } = await alice.get('getRoomEvents', `/rooms/${room}/messages?dir=b`)
      tokens.push({ sync, page })
    }
    await mark()
    await bob.join(room)
    await mark()
    await bob.leave(room)
    await alice.invite(room, carol)
  })

  it('tells of all who ever had to do with the room', async () => {
    const all = { [alice.userId]: 'join', [bob.userId]: 'leave', [carol.userId]: 'invite' }
    assert.deepEqual(await members(), all)
  })

  it('filters; both parameters together mean either', async () => {
    assert.deepEqual(await members('?membership=join'), { [alice.userId]: 'join' })
    assert.deepEqual(await members('?not_membership=leave'), { [alice.userId]: 'join', [carol.userId]: 'invite' })
    assert.deepEqual(await members('?membership=join&not_membership=invite'), {
      [alice.userId]: 'join',
      [bob.userId]: 'leave',
    })
    assert.equal((await alice.request('GET', `/rooms/${room}/members?membership=x`)).status, 400)
  })

  it('goes back to the place of either kind of token', async () => {
    for (const kind of ['sync', 'page'] as const) {
      assert.deepEqual(await members(`?at=${tokens[0]?.[kind]}`), { [alice.userId]: 'join' })
      assert.deepEqual(await members(`?at=${tokens[1]?.[kind]}`), { [alice.userId]: 'join', [bob.userId]: 'join' })
    }
    assert.equal((await alice.request('GET', `/rooms/${room}/members?at=x`)).body.errcode, 'M_INVALID_PARAM')
  })
})

describe('GET /joined_members', () => {
  it('gives the profiles that members have in the room, where they are text, and null elsewhere', async () => {
    const own = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(own)
    const profile = { membership: 'join', displayname: 'Bob', avatar_url: 'mxc://hearth.example/bob' }
    await alice.setState(own, 'm.room.member', { membership: 'join', displayname: 5, avatar_url: 'any' }, alice.userId)
    await bob.setState(own, 'm.room.member', profile, bob.userId)
    const joined = async () => (await alice.request('GET', `/rooms/${own}/joined_members`)).body.joined
    assert.deepEqual(await joined(), {
      [alice.userId]: { display_name: null, avatar_url: 'any' },
      [bob.userId]: { display_name: 'Bob', avatar_url: 'mxc://hearth.example/bob' },
    })
    await bob.setState(own, 'm.room.member', { membership: 'join' }, bob.userId)
    assert.deepEqual((await joined())[bob.userId], { display_name: 'bob', avatar_url: null })
  })
})

describe('GET /sync', () => {
  const namesOnly = { room: { timeline: { types: ['m.room.name'] }, state: { types: [] } } }
  const typesIn = (answer: { rooms: { join: Record<string, { timeline: { events: { type: string }[] } }> } }) =>
    answer.rooms.join[room]?.timeline.events.map(({ type }) => type)

  it('takes a filter as JSON or by its id', async () => {
    const inline = await alice.get('sync', `/sync?filter=${encodeURIComponent(JSON.stringify(namesOnly))}`)
    const { filter_id: id } = await alice.do('defineFilter', 'POST', `/user/${alice.userId}/filter`, namesOnly)
    const byId = await alice.get('sync', `/sync?filter=${id}`)
    assert.deepEqual([typesIn(inline), typesIn(byId)], [['m.room.name'], ['m.room.name']])
  })

  it('takes the other parameters', async () => {
    const { next_batch: since } = await alice.get('sync', '/sync?set_presence=offline&timeout=0')
    const full = await alice.get('sync', `/sync?since=${since}&full_state=true&timeout=30000`)
    assert.ok(full.rooms.join[room].state.events.length > 0)
    const after = await alice.get('sync', `/sync?since=${since}&full_state=true&use_state_after=true`)
    assert.ok(after.rooms.join[room].state_after.events.length > 0)
    assert.equal('state' in after.rooms.join[room], false)
  })

  it('refuses what it does not understand', async () => {
    for (const [query, status, errcode] of [
      ['since=x', 400, 'M_INVALID_PARAM'],
      ['since=', 400, 'M_INVALID_PARAM'],
      ['filter={', 400, 'M_NOT_JSON'],
      ['filter={"room":5}', 400, 'M_BAD_JSON'],
      ['filter=12345', 404, 'M_NOT_FOUND'],
      ['filter=x', 404, 'M_NOT_FOUND'],
      ['timeout=-1', 400, 'M_INVALID_PARAM'],
      ['full_state=yes', 400, 'M_INVALID_PARAM'],
      ['set_presence=busy', 400, 'M_INVALID_PARAM'],
    ] as const) {
      const { status: actual, body } = await alice.request('GET', `/sync?${query}`)
      assert.deepEqual([query, actual, body.errcode], [query, status, errcode])
    }
  })
})
