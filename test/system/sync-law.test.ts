/**
 * The law of /sync: incremental answers, folded, equal a fresh initial answer. Random histories over a few users and
 * rooms, clients with different filters that sync at random times. HEARTH_TEST_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import fc from 'fast-check'
import { Api, type Event, room, V3 } from '#test/system/harness/api.ts'
import {
  currentState,
  FoldedClient,
  type RoomCopy,
  type SyncChoice,
  visibleHistory,
} from '#test/system/harness/folded-client.ts'
import { Hearth } from '#test/system/harness/hearth.ts'
import { seed } from '#test/system/harness/random.ts'

const RUNS = Number(process.env['HEARTH_TEST_RUNS'] ?? 60)
const ACTIONS_MAX = 50
const USERS = 3
const ROOMS = 2

const limit = (n: number, more: object = {}) => ({ limit: n, ...more })
const CHOICES: readonly SyncChoice[] = [
  { name: 'no filter', filter: {}, useStateAfter: false },
  { name: 'no filter, state_after', filter: {}, useStateAfter: true },
  { name: 'limit 1', filter: { room: { timeline: limit(1) } }, useStateAfter: false },
  { name: 'limit 2, state_after', filter: { room: { timeline: limit(2) } }, useStateAfter: true },
  {
    name: 'lazy, limit 2',
    filter: { room: { timeline: limit(2), state: { lazy_load_members: true } } },
    useStateAfter: false,
  },
  {
    name: 'lazy, state_after',
    filter: { room: { timeline: limit(3), state: { lazy_load_members: true } } },
    useStateAfter: true,
  },
  {
    name: 'messages only',
    filter: { room: { timeline: limit(3, { types: ['m.room.message'] }) } },
    useStateAfter: false,
  },
  {
    name: 'no members in the timeline, state_after',
    filter: { room: { timeline: limit(4, { not_types: ['m.room.member'] }) } },
    useStateAfter: true,
  },
  {
    name: 'topics as state',
    filter: { room: { state: { types: ['m.room.topic', 'm.room.member'] }, timeline: limit(2) } },
    useStateAfter: false,
  },
  {
    name: 'limit 5, threads',
    filter: { room: { timeline: limit(5, { unread_thread_notifications: true }) } },
    useStateAfter: false,
  },
]

type Action = { readonly kind: Kind; readonly u: number; readonly r: number; readonly n: number }
const KINDS = {
  sync: 8,
  lostSync: 2,
  fullState: 1,
  message: 6,
  burst: 2,
  state: 3,
  join: 5,
  leave: 3,
  invite: 3,
  kick: 1,
  ban: 1,
  unban: 1,
  knock: 1,
  forget: 1,
  redact: 1,
  displayName: 1,
  receipt: 3,
  accountData: 1,
  roomAccountData: 1,
  tag: 1,
  typing: 2,
  ignore: 1,
  joinRule: 1,
  visibility: 1,
  thread: 1,
} as const
type Kind = keyof typeof KINDS

const kind = fc.oneof(
  ...Object.entries(KINDS).map(([name, weight]) => ({ weight, arbitrary: fc.constant(name as Kind) })),
)
const action: fc.Arbitrary<Action> = fc.record({ kind, u: fc.nat(USERS - 1), r: fc.nat(ROOMS - 1), n: fc.nat(9) })
const history = fc.record({
  clients: fc.array(fc.record({ user: fc.nat(USERS - 1), choice: fc.nat(CHOICES.length - 1) }), {
    minLength: 3,
    maxLength: 4,
  }),
  actions: fc.array(action, { minLength: 5, maxLength: ACTIONS_MAX, size: 'max' }),
})

const does = (kind: Kind, u = 0, r = 0, n = 0): Action => ({ kind, u, r, n })
const sees = (user: number, choice = 0) => ({ user, choice })
/** Histories that once broke the law. */
const FOUND: [{ clients: ReturnType<typeof sees>[]; actions: Action[] }][] = [
  // Left and forgotten before the next sync.
  [{ clients: [sees(0)], actions: [does('sync'), does('leave'), does('forget')] }],
  // An invitation that the late joiner may not see comes after a leaving that they may.
  [
    {
      clients: [sees(1)],
      actions: [does('leave'), does('visibility', 0, 0, 1), does('invite'), does('join', 1), does('visibility')],
    },
  ],
  // A redaction that the filter leaves out takes back a notification.
  [
    {
      clients: [sees(0, 6)],
      actions: [does('join', 1, 1), does('message', 1, 1), does('sync'), does('redact', 0, 1)],
    },
  ],
  // Somebody stops typing while one is out of the room, which one's client doesn't notice.
  [
    {
      clients: [sees(2)],
      actions: [does('join', 2), does('typing'), does('sync'), does('leave', 2), does('leave'), does('join', 2)],
    },
  ],
  // An invitation is refused, and then the room joined.
  [
    {
      clients: [sees(2)],
      actions: [does('invite', 2, 1), does('sync'), does('leave', 2, 1), does('sync'), does('join', 2, 1)],
    },
  ],
]

let hearth: Hearth
before(async () => {
  hearth = await Hearth.start()
})
after(() => hearth[Symbol.asyncDispose]())

it(`incremental syncs folded equal a fresh one (${RUNS} histories)`, { timeout: 600_000 }, async (test) => {
  test.diagnostic(`HEARTH_TEST_SEED=${seed()}`)
  let syncs = 0
  await fc.assert(
    fc.asyncProperty(history, async ({ clients, actions }) => {
      const world = await World.make(clients.map(({ user, choice }) => ({ user, choice: CHOICES[choice]! })))
      for (const step of actions) await world.perform(step)
      await world.compare()
      syncs += world.syncs
    }),
    { seed: seed(), numRuns: RUNS, examples: FOUND, interruptAfterTimeLimit: 400_000, markInterruptAsFailure: true },
  )
  test.diagnostic(`${syncs} syncs`)
  assert.doesNotMatch(hearth.output, /"level":(?:50|60)/, hearth.output)
})

let worlds = 0

/** Fresh users and rooms, what has been done to them, and the clients that watch. */
class World {
  readonly #owner: Api
  readonly #users: readonly Api[]
  readonly #rooms: readonly string[]
  readonly #clients: readonly FoldedClient[]
  readonly #forgotten = new Set<string>()
  readonly #ignoring = new Set<Api>()
  #counter = 0
  syncs = 0

  private constructor(owner: Api, users: readonly Api[], rooms: readonly string[], clients: readonly FoldedClient[]) {
    this.#owner = owner
    this.#users = users
    this.#rooms = rooms
    this.#clients = clients
  }

  static async make(wanted: readonly { user: number; choice: SyncChoice }[]): Promise<World> {
    const anyone = new Api(hearth.url)
    const name = `w${worlds++}`
    const owner = await anyone.register(`${name}-owner`)
    const users = await Promise.all(Array.from({ length: USERS }, (_, i) => anyone.register(`${name}-u${i}`)))
    const rooms: string[] = []
    for (let i = 0; i < ROOMS; i++) {
      rooms.push(await owner.createRoom({ preset: 'public_chat', ...(i === 0 ? { name: 'Named' } : {}) }))
      await users[0]!.join(rooms[i]!)
    }
    const clients: FoldedClient[] = []
    for (const { user, choice } of wanted) {
      clients.push(new FoldedClient(await anyone.login(users[user]!.userId), choice))
    }
    return new World(owner, users, rooms, clients)
  }

  async perform({ kind, u, r, n }: Action): Promise<void> {
    const user = this.#users[u]!
    const other = this.#users[(u + 1 + (n % (USERS - 1))) % USERS]!
    const roomId = this.#rooms[r]!
    const forgottenKey = `${user.userId} ${roomId}`
    const remembered = () => this.#forgotten.delete(forgottenKey)
    switch (kind) {
      case 'sync':
        return this.#sync(this.#clients[n % this.#clients.length]!)
      case 'lostSync':
        return this.#clients[n % this.#clients.length]!.syncInVain()
      case 'fullState':
        return this.#sync(this.#clients[n % this.#clients.length]!, true)
      case 'message':
        return this.#try(user.send(roomId, `message ${this.#counter++}`))
      case 'burst':
        for (let i = 0; i < n; i++) await this.#owner.send(roomId, `burst ${this.#counter++}`)
        return
      case 'thread': {
        const root = (await this.#owner.get(room(roomId, 'messages'), { dir: 'b', limit: 1 })).chunk[0].event_id
        const relation = { rel_type: 'm.thread', event_id: root }
        const content = { msgtype: 'm.text', body: `in thread ${this.#counter++}`, 'm.relates_to': relation }
        return this.#try(this.#owner.sendEvent(roomId, 'm.room.message', content))
      }
      case 'state': {
        const type = ['m.room.topic', 'm.room.name', 'test.state'][n % 3]!
        const content =
          type === 'm.room.topic' ? { topic: `topic ${this.#counter++}` } : { name: `name ${this.#counter++}` }
        return this.#try(this.#owner.state(roomId, type, content, type === 'test.state' ? `${n}` : ''))
      }
      case 'join':
        return this.#try(user.join(roomId).then(remembered))
      case 'leave':
        return this.#try(user.leave(roomId))
      case 'invite':
        return this.#try(this.#owner.invite(roomId, user.userId).then(remembered))
      case 'kick':
      case 'ban':
      case 'unban':
        return this.#try(this.#owner.post(room(roomId, kind), { user_id: user.userId, reason: `${n}` }))
      case 'knock':
        return this.#try(user.post(`${V3}/knock/${encodeURIComponent(roomId)}`).then(remembered))
      case 'forget':
        return this.#try(user.post(room(roomId, 'forget')).then(() => this.#forgotten.add(forgottenKey)))
      case 'redact': {
        const found: Event[] = (await this.#owner.get(room(roomId, 'messages'), { dir: 'b', limit: 5 })).chunk
        const target = found.find((event) => event.type === 'm.room.message')
        return target === undefined ? undefined : this.#try(this.#owner.redact(roomId, target.event_id))
      }
      case 'displayName':
        return this.#try(
          user.put(`${V3}/profile/${encodeURIComponent(user.userId)}/displayname`, { displayname: `N${n}` }),
        )
      case 'receipt': {
        const found = await user.request('GET', room(roomId, 'messages'), { query: { dir: 'b', limit: 1 } })
        const eventId = found.body.chunk?.[0]?.event_id
        const type = n % 3 === 0 ? 'm.read.private' : 'm.read'
        const thread = n % 4 === 1 ? { thread_id: 'main' } : {}
        return eventId === undefined ? undefined : this.#try(user.post(room(roomId, 'receipt', type, eventId), thread))
      }
      case 'accountData':
        return this.#try(
          user.put(`${V3}/user/${encodeURIComponent(user.userId)}/account_data/test.data`, { n: this.#counter++ }),
        )
      case 'roomAccountData':
        return this.#try(user.put(this.#ownRoomPath(user, roomId, 'account_data/test.data'), { n: this.#counter++ }))
      case 'tag':
        return this.#try(
          n < 6
            ? user.put(this.#ownRoomPath(user, roomId, 'tags/u.tag'), { order: n / 10 })
            : user.delete(this.#ownRoomPath(user, roomId, 'tags/u.tag')),
        )
      case 'typing':
        return this.#try(user.put(room(roomId, 'typing', user.userId), { typing: n % 2 === 0, timeout: 120_000 }))
      case 'joinRule':
        return this.#try(
          this.#owner.state(roomId, 'm.room.join_rules', { join_rule: ['public', 'knock', 'invite'][n % 3] }),
        )
      case 'visibility': {
        const visibility = ['shared', 'joined', 'invited', 'world_readable'][n % 4]
        return this.#try(this.#owner.state(roomId, 'm.room.history_visibility', { history_visibility: visibility }))
      }
      case 'ignore':
        return this.#ignore(user, other)
    }
  }

  /** "When the list changes, clients should … perform an initial sync" for what they had left out until now. */
  async #ignore(user: Api, other: Api): Promise<void> {
    const ignored = this.#ignoring.has(user) ? {} : { [other.userId]: {} }
    if (this.#ignoring.has(user)) this.#ignoring.delete(user)
    else this.#ignoring.add(user)
    const path = `${V3}/user/${encodeURIComponent(user.userId)}/account_data/m.ignored_user_list`
    await user.put(path, { ignored_users: ignored })
    for (const client of this.#clients) if (client.api.userId === user.userId) client.reset()
  }

  #ownRoomPath(user: Api, roomId: string, rest: string): string {
    return `${V3}/user/${encodeURIComponent(user.userId)}/rooms/${encodeURIComponent(roomId)}/${rest}`
  }

  /** A refusal is as good a history as any; a defect isn't. */
  async #try(asked: Promise<unknown>): Promise<void> {
    await asked.catch((error: { answer?: { status: number } }) => {
      if (error.answer === undefined || error.answer.status >= 500) throw error
    })
  }

  async #sync(client: FoldedClient, fullState = false): Promise<void> {
    await client.sync(fullState)
    this.syncs += 1
    assert.deepEqual([...(await client.sync())], [], `${client.choice.name}: news where nothing happened`)
    assert.deepEqual(client.problems, [], client.choice.name)
  }

  async compare(): Promise<void> {
    const truth = new Map<string, Map<string, string>>()
    for (const roomId of this.#rooms) truth.set(roomId, await currentState(this.#owner, roomId))
    for (const client of this.#clients) {
      await this.#sync(client)
      const { choice } = client
      const filter = { ...choice.filter, room: { ...choice.filter.room, include_leave: true } }
      const fresh = new FoldedClient(await new Api(hearth.url).login(client.api.userId), { ...choice, filter })
      await fresh.sync()
      assert.deepEqual(fresh.problems, [], choice.name)
      // What was left before the client's first sync is none of its business.
      for (const [roomId, copy] of fresh.rooms) {
        if (copy.membership === 'leave' && !client.rooms.has(roomId)) fresh.rooms.delete(roomId)
      }
      assert.deepEqual(this.#overview(client), this.#overview(fresh), `${choice.name}: ${client.api.userId}`)
      for (const [roomId, copy] of client.rooms) {
        const inFull = fresh.rooms.get(roomId)
        if (copy.membership === 'join') compareState(client, copy, inFull!, truth.get(roomId)!)
        if (!this.#isForgotten(client, roomId)) await compareTimeline(client, roomId, copy)
      }
    }
  }

  #isForgotten(client: FoldedClient, roomId: string): boolean {
    return this.#forgotten.has(`${client.api.userId} ${roomId}`)
  }

  /** All but state and timelines. */
  #overview(client: FoldedClient): object {
    const rooms = [...client.rooms].filter(([roomId]) => !this.#isForgotten(client, roomId))
    return {
      accountData: sorted(client.accountData),
      rooms: Object.fromEntries(
        rooms
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([roomId, copy]) => [
            roomId,
            copy.membership === 'join'
              ? {
                  accountData: sorted(copy.accountData),
                  receipts: sorted(expressible(copy.receipts)),
                  typing: copy.typing,
                  joined: copy.summary['m.joined_member_count'],
                  invited: copy.summary['m.invited_member_count'],
                  unread: copy.unread,
                }
              : { membership: copy.membership, stripped: sorted(copy.stripped) },
          ]),
      ),
    }
  }
}

function sorted(map: ReadonlyMap<string, unknown>): object {
  return Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** An answer has room for one receipt of a user on an event: the unthreaded one, which says more. */
function expressible(receipts: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const unthreaded = (name: string) => receipts.get(`${name.split(' ').slice(0, 2).join(' ')} `)
  return new Map([...receipts].filter(([name, eventId]) => name.endsWith(' ') || unthreaded(name) !== eventId))
}

const ids = (state: ReadonlyMap<string, Event>) => new Map([...state].map(([k, event]) => [k, event.event_id]))

function compareState(client: FoldedClient, copy: RoomCopy, fresh: RoomCopy, truth: ReadonlyMap<string, string>): void {
  const { name } = client.choice
  const filter = client.filterOf('state')
  const mine = ids(copy.state)
  // Nothing that the client has is out of date …
  const wrong = [...mine].filter(
    ([k, id]) => (filter.types === undefined || isOf(k, filter.types)) && truth.get(k) !== id,
  )
  assert.deepEqual(wrong, [], `${name}: state that isn't current`)
  // … and nothing is missing that a fresh client is given, but for members that only its longer timeline calls for.
  const senders = new Set(copy.timeline.map(({ sender }) => `m.room.member ${sender}`))
  const isNeeded = (k: string) => !filter.lazy_load_members || !k.startsWith('m.room.member ') || senders.has(k)
  const missing = [...ids(fresh.state)].filter(([k, id]) => isNeeded(k) && truth.get(k) === id && mine.get(k) !== id)
  assert.deepEqual(missing, [], `${name}: state that a fresh sync has`)
  if (filter.types === undefined && filter.lazy_load_members !== true) {
    assert.deepEqual(sorted(mine), sorted(truth), `${name}: all of the state`)
  }
}

function isOf(k: string, types: readonly string[]): boolean {
  return types.some((type) => k.startsWith(`${type} `))
}

/** What the client has is an unbroken piece of the room's history, as far as its filter lets it through. */
async function compareTimeline(client: FoldedClient, roomId: string, copy: RoomCopy): Promise<void> {
  if (!copy.wasJoined || copy.timeline.length === 0) return
  const filter = client.filterOf('timeline')
  const ignored = Object.keys(client.accountData.get('m.ignored_user_list')?.ignored_users ?? {})
  const expected = (await visibleHistory(client, roomId))
    .filter((event) => filter.types === undefined || filter.types.includes(event.type))
    .filter((event) => filter.not_types === undefined || !filter.not_types.includes(event.type))
    .filter((event) => event.state_key !== undefined || !ignored.includes(event.sender))
    .map((event) => event.event_id)
  const known = new Set(expected)
  // Their own leaving is told even to those who may see nothing else of that time.
  const seen = copy.timeline
    .filter(
      (event) => known.has(event.event_id) || copy.membership !== 'leave' || event.state_key !== client.api.userId,
    )
    .map((event) => event.event_id)
  if (seen.length === 0) return
  const start = expected.indexOf(seen[0]!)
  // Who has left may read on where the world may, but isn't told of it.
  const end = copy.membership === 'leave' ? start + seen.length : expected.length
  assert.deepEqual(seen, expected.slice(start, end), `${client.choice.name}: the end of the history of ${roomId}`)
}
