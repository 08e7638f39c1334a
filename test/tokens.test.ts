/** Every token that any answer gives out is taken by every endpoint that accepts one, and means the place it was given for. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Random } from '#test/generators/random.ts'
import { type Hearth, startHearth } from '#test/harness/hearth.ts'
import { RoomClient } from '#test/harness/room-client.ts'

type Event = { readonly event_id: string }
type Given = {
  readonly text: string
  readonly owner: RoomClient
  /** Which answer gave it, for messages. */
  readonly by: string
  /** null for a place in the log, that is in every room. */
  readonly roomId: string | null
  /** How many of the room's events come before the place; null where the answer doesn't say. */
  readonly index: number | null
}

const FILTERS = [
  {},
  { room: { timeline: { limit: 0 } } },
  { room: { timeline: { limit: 1 } } },
  { room: { timeline: { types: [] } } },
  { room: { timeline: { not_types: ['*'], lazy_load_members: true } } },
  { room: { timeline: { types: ['m.room.message'] } } },
  { room: { timeline: { not_types: ['m.room.message'], limit: 3 }, state: { lazy_load_members: true } } },
]
const e = encodeURIComponent

/** A server with three users who do this and that; Alice makes the rooms and stays in them. */
class World {
  readonly given: Given[] = []
  readonly rooms: string[] = []
  readonly #hearth: Hearth
  readonly #random: Random
  readonly #users: readonly RoomClient[]
  readonly #latest = new Map<RoomClient, string>()

  private constructor(hearth: Hearth, random: Random, users: readonly RoomClient[]) {
    this.#hearth = hearth
    this.#random = random
    this.#users = users
  }

  static async create(hearth: Hearth, seed: number): Promise<World> {
    const users: RoomClient[] = []
    for (const name of ['alice', 'bob', 'carol']) users.push(new RoomClient(hearth, await hearth.user(name)))
    const world = new World(hearth, new Random(seed), users)
    for (const preset of ['public_chat', 'public_chat']) world.rooms.push(await users[0]!.createRoom({ preset }))
    return world
  }

  async play(steps: number): Promise<void> {
    for (let step = 0; step < steps; step += 1) {
      this.#hearth.advance(1_000)
      await this.#act(this.#random.pick(this.#users), this.#random.pick(this.rooms))
    }
  }

  /** One of the things that a user does. What they may not do is refused, and changes nothing. */
  async #act(user: RoomClient, roomId: string): Promise<void> {
    const put = (path: string, body: object) => user.request('PUT', path, body)
    const step = this.#random.bits()
    switch (
      this.#random.weighted({ message: 4, state: 1, name: 1, join: 3, leave: 1, quiet: 3, sync: 4, page: 2, look: 2 })
    ) {
      case 'message':
        await put(`/rooms/${roomId}/send/m.room.message/${step}`, { msgtype: 'm.text', body: `${step}` })
        return
      case 'state':
        await put(`/rooms/${roomId}/state/m.room.topic`, { topic: `${step}` })
        return
      case 'name':
        await put(`/profile/${user.userId}/displayname`, { displayname: `${step}` })
        return
      case 'join':
        await user.join(roomId)
        return
      case 'leave':
        if (user !== this.#users[0]) await user.request('POST', `/rooms/${roomId}/leave`, {})
        return
      case 'quiet':
        await put(`/rooms/${roomId}/typing/${user.userId}`, { typing: step % 2 === 0, timeout: 30_000 })
        if (step % 3 === 0) await put(`/user/${user.userId}/rooms/${roomId}/account_data/x`, { step })
        return
      case 'sync':
        return this.#sync(user)
      case 'page':
        return this.#page(user, roomId)
      case 'look':
        return this.#look(user, roomId)
    }
  }

  async #sync(user: RoomClient): Promise<void> {
    const filter = this.#random.pick(FILTERS)
    const since = this.#random.chance(0.8) ? this.#latest.get(user) : undefined
    const query = `/sync?filter=${e(JSON.stringify(filter))}${since === undefined ? '' : `&since=${since}`}`
    const answer = await user.get('sync', query)
    this.#latest.set(user, answer.next_batch)
    this.#keep(user, `next_batch of ${query}`, answer.next_batch)
    for (const [roomId, { timeline }] of Object.entries<{ timeline: { events: Event[]; prev_batch: string } }>({
      ...answer.rooms.join,
      ...answer.rooms.leave,
    })) {
      const { events, prev_batch } = timeline
      const end = roomId in answer.rooms.join ? (await this.order(roomId)).length : null
      const index = events.length === 0 ? end : await this.#indexOf(roomId, events[0]!)
      this.#keep(user, `prev_batch of ${query} with ${events.length} events`, prev_batch, roomId, index)
    }
  }

  async #page(user: RoomClient, roomId: string): Promise<void> {
    const dir = this.#random.pick(['b', 'f'])
    const from = this.#random.pick([null, ...this.given.filter((token) => token.roomId === roomId)])
    const filter = this.#random.pick(FILTERS).room?.timeline ?? {}
    const query = `dir=${dir}&limit=${this.#random.between(1, 5)}&filter=${e(JSON.stringify(filter))}`
    const path = `/rooms/${roomId}/messages?${query}${from === null ? '' : `&from=${from.text}`}`
    const { status, body } = await user.request('GET', path)
    if (status === 403) return
    assert.equal(status, 200, path)
    this.#keep(user, `start of ${path}`, body.start, roomId, from === null ? null : from.index)
    const last = body.chunk.at(-1)
    const index = last === undefined ? null : (await this.#indexOf(roomId, last)) + (dir === 'b' ? 0 : 1)
    if (body.end !== undefined) this.#keep(user, `end of ${path}`, body.end, roomId, index)
  }

  /** The answers that show a room at one place. */
  async #look(user: RoomClient, roomId: string): Promise<void> {
    const order = await this.order(roomId)
    const at = this.#random.between(0, order.length - 1)
    const context = await user.request('GET', `/rooms/${roomId}/context/${e(order[at]!)}?limit=2`)
    if (context.status === 200) {
      const { start, end, events_before: before, events_after: after } = context.body
      this.#keep(user, 'start of /context', start, roomId, at - before.length)
      this.#keep(user, 'end of /context', end, roomId, at + 1 + after.length)
    }
    const info = await user.request('GET', `/rooms/${roomId}/initialSync?limit=3`)
    if (info.status === 200) {
      const { start, end, chunk } = info.body.messages
      this.#keep(user, 'start of the /initialSync of a room', start, roomId, await this.#indexOf(roomId, chunk[0]))
      this.#keep(user, 'end of the /initialSync of a room', end)
    }
    const { body: stream } = await user.request('GET', '/events?timeout=0')
    this.#keep(user, 'start of /events', stream.start)
    this.#keep(user, 'end of /events', stream.end)
    this.#keep(user, 'end of /initialSync', (await user.get('initialSync', '/initialSync?limit=1')).end)
  }

  #keep(owner: RoomClient, by: string, text: string, roomId: string | null = null, index: number | null = null) {
    const isKnown = this.given.some((one) => one.text === text && one.owner === owner && one.index === index)
    if (!isKnown) this.given.push({ text, owner, by, roomId, index })
  }

  /** All events of a room, as Alice sees them. */
  async order(roomId: string): Promise<string[]> {
    return walk(this.#users[0]!, `/rooms/${roomId}/messages?dir=f`)
  }

  async #indexOf(roomId: string, event: Event): Promise<number> {
    const index = (await this.order(roomId)).indexOf(event.event_id)
    assert.notEqual(index, -1)
    return index
  }
}

async function walk(user: RoomClient, path: string): Promise<string[]> {
  const ids: string[] = []
  for (let from = ''; ; ) {
    const { chunk, end } = await user.get('getRoomEvents', `${path}&limit=100${from}`)
    ids.push(...chunk.map(({ event_id }: Event) => event_id))
    if (end === undefined) return ids
    from = `&from=${end}`
  }
}

/** What a user can read of a room, oldest first; null for who may not read it. */
async function readable(user: RoomClient, roomId: string): Promise<string[] | null> {
  const path = `/rooms/${roomId}/messages?dir=f`
  return (await user.request('GET', path)).status === 200 ? walk(user, path) : null
}

/** The user's pages from the token, and up to it, are what they can read, divided at the place. */
async function checkPlace({ text, owner, by }: Given, roomId: string, all: string[], earlier: ReadonlySet<string>) {
  const path = `/rooms/${roomId}/messages`
  const before = (await walk(owner, `${path}?dir=b&from=${text}`)).toReversed()
  const behind = await walk(owner, `${path}?dir=f&from=${text}`)
  assert.deepEqual([...before, ...behind], all, by)
  assert.deepEqual((await walk(owner, `${path}?dir=b&to=${text}`)).toReversed(), behind, by)
  assert.deepEqual(await walk(owner, `${path}?dir=f&to=${text}`), before, by)
  if (earlier.size > 0) assert.deepEqual(new Set(before), earlier.intersection(new Set(all)), by)
}

async function checkTaken({ text, owner, by }: Given, rooms: readonly string[]): Promise<void> {
  const paths = [
    `/sync?since=${text}`,
    `/keys/changes?from=${text}&to=${text}`,
    `/events?from=${text}&timeout=0`,
    ...rooms.flatMap((roomId) => [
      `/rooms/${roomId}/members?at=${text}`,
      `/events?from=${text}&timeout=0&room_id=${roomId}`,
    ]),
  ]
  for (const path of paths) {
    const { status, body } = await owner.request('GET', path)
    assert.deepEqual([status, body.errcode], [200, undefined], `${path}: ${by}`)
  }
}

describe('tokens of random histories', () => {
  for (const seed of [1, 2]) {
    it(`are taken by every endpoint, in both directions (seed ${seed})`, async () => {
      await using hearth = await startHearth()
      const world = await World.create(hearth, seed)
      await world.play(100)
      const orders = new Map<string, string[]>()
      for (const roomId of world.rooms) orders.set(roomId, await world.order(roomId))
      assert.ok(world.given.length > 40, `${world.given.length} tokens`)
      for (const [owner, tokens] of Map.groupBy(world.given, (token) => token.owner)) {
        const rooms = new Map<string, string[]>()
        for (const roomId of world.rooms) {
          const all = await readable(owner, roomId)
          if (all !== null) rooms.set(roomId, all)
        }
        for (const token of tokens) {
          const concerned = [...rooms].filter(([roomId]) => roomId === (token.roomId ?? roomId))
          await checkTaken(
            token,
            concerned.map(([roomId]) => roomId),
          )
          for (const [roomId, all] of concerned) {
            await checkPlace(token, roomId, all, new Set(orders.get(roomId)!.slice(0, token.index ?? 0)))
          }
        }
      }
    })
  }
})

describe('tokens of a sync', () => {
  it('without events: paging back begins after everything that was there, and ends before what came later', async () => {
    await using hearth = await startHearth()
    const [alice, bob] = [
      new RoomClient(hearth, await hearth.user('alice')),
      new RoomClient(hearth, await hearth.user('bob')),
    ]
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(roomId)
    const last = await bob.send(roomId)
    const { next_batch: since } = await alice.get('sync', '/sync')
    await bob.request('PUT', `/rooms/${roomId}/typing/${bob.userId}`, { typing: true, timeout: 30_000 })
    const typing = await alice.get('sync', `/sync?since=${since}`)
    const { events, limited, prev_batch: place } = typing.rooms.join[roomId].timeline
    assert.deepEqual([events, limited], [[], false])
    const later = await bob.send(roomId)
    assert.equal((await walk(alice, `/rooms/${roomId}/messages?dir=b&from=${place}`))[0], last)
    assert.deepEqual(await walk(alice, `/rooms/${roomId}/messages?dir=f&from=${place}`), [later])
  })

  it('that holds the whole room: the members as of its start are none', async () => {
    await using hearth = await startHearth()
    const alice = new RoomClient(hearth, await hearth.user('alice'))
    const roomId = await alice.createRoom()
    const { rooms } = await alice.get('sync', `/sync?filter=${e('{"room":{"timeline":{"limit":100}}}')}`)
    const { prev_batch: place, limited } = rooms.join[roomId].timeline
    assert.equal(limited, false)
    const { chunk } = await alice.get('getMembersByRoom', `/rooms/${roomId}/members?at=${place}`)
    assert.deepEqual(chunk, [])
  })

  it('of who joins a room whose history is closed: the members as of its start are those whom it gave', async () => {
    await using hearth = await startHearth()
    const alice = new RoomClient(hearth, await hearth.user('alice'))
    const bob = new RoomClient(hearth, await hearth.user('bob'))
    const visibility = { type: 'm.room.history_visibility', content: { history_visibility: 'joined' } }
    const roomId = await alice.createRoom({ preset: 'public_chat', initial_state: [visibility] })
    await alice.send(roomId)
    await bob.join(roomId)
    const { rooms } = await bob.get('sync', `/sync?filter=${e('{"room":{"timeline":{"limit":1}}}')}`)
    const { timeline } = rooms.join[roomId]
    const { chunk } = await bob.get('getMembersByRoom', `/rooms/${roomId}/members?at=${timeline.prev_batch}`)
    assert.deepEqual(
      chunk.map(({ state_key }: { state_key: string }) => state_key),
      [alice.userId],
    )
  })
})

describe('a token from ahead of the database, as after a restore', () => {
  it('is answered in full by every endpoint', async () => {
    await using hearth = await startHearth()
    const alice = new RoomClient(hearth, await hearth.user('alice'))
    const roomId = await alice.createRoom()
    const order = await walk(alice, `/rooms/${roomId}/messages?dir=f`)
    for (const ahead of ['s1_999999999999999_abc_5', 's1_5000_abc_5_4999', 't1_9007199254740990']) {
      const { rooms, device_lists } = await alice.get('sync', `/sync?since=${ahead}`)
      assert.ok(rooms.join[roomId].state.events.length + rooms.join[roomId].timeline.events.length >= order.length)
      assert.deepEqual(device_lists.changed, [alice.userId])
      const keys = await alice.get('getKeysChanges', `/keys/changes?from=${ahead}&to=${ahead}`)
      assert.deepEqual(keys.changed, [alice.userId])
      // Presence is among them, which has fewer properties than the specification's schema wants.
      const { chunk } = (await alice.request('GET', `/events?from=${ahead}&timeout=0`)).body
      // All that came since she joined.
      assert.deepEqual(
        chunk.flatMap(({ event_id }: Partial<Event>) => event_id ?? []),
        order.slice(1),
      )
      assert.deepEqual((await walk(alice, `/rooms/${roomId}/messages?dir=b&from=${ahead}`)).toReversed(), order)
      assert.deepEqual(await walk(alice, `/rooms/${roomId}/messages?dir=f&to=${ahead}`), order)
      assert.equal((await alice.get('getMembersByRoom', `/rooms/${roomId}/members?at=${ahead}`)).chunk.length, 1)
    }
  })
})

describe('tokens of lists of rooms', () => {
  it('are taken in both directions, by both methods, until the list changes and after', async () => {
    await using hearth = await startHearth()
    const alice = new RoomClient(hearth, await hearth.user('alice'))
    const make = () => alice.createRoom({ preset: 'public_chat', visibility: 'public' })
    const rooms = [await make(), await make(), await make(), await make()]
    const tokens: string[] = []
    for (let next = ''; ; ) {
      const page = await alice.get('getPublicRooms', `/publicRooms?limit=1${next}`)
      for (const token of [page.next_batch, page.prev_batch]) if (token !== undefined) tokens.push(token)
      if (page.next_batch === undefined) break
      next = `&since=${page.next_batch}`
    }
    assert.equal(tokens.length, 2 * (rooms.length - 1))
    await make()
    for (const since of tokens) {
      const got = await alice.get('getPublicRooms', `/publicRooms?limit=2&since=${since}`)
      const posted = await alice.do('queryPublicRooms', 'POST', '/publicRooms', { limit: 2, since })
      assert.deepEqual(got, posted)
    }
    const space = await alice.createRoom({ creation_content: { type: 'm.space' } })
    for (const child of rooms) await alice.setState(space, 'm.space.child', { via: ['hearth.example'] }, child)
    const path = `/_matrix/client/v1/rooms/${e(space)}/hierarchy?limit=1`
    const seen: string[] = []
    for (let from = ''; ; ) {
      const page = await alice.get('getSpaceHierarchy', path + from)
      seen.push(...page.rooms.map(({ room_id }: { room_id: string }) => room_id))
      if (page.next_batch === undefined) break
      from = `&from=${page.next_batch}`
      assert.deepEqual(
        await alice.get('getSpaceHierarchy', path + from),
        await alice.get('getSpaceHierarchy', path + from),
      )
    }
    assert.deepEqual(new Set(seen), new Set([space, ...rooms]))
  })
})
