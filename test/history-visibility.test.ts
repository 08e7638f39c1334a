/** S31, S32: what of a room whom is shown, by history visibility, membership and endpoint. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Hearth, startHearth } from '#test/harness/hearth.ts'
import { RoomClient } from '#test/harness/room-client.ts'
import { assertMatchesSpec } from '#test/schema-check.ts'

const VISIBILITIES = ['world_readable', 'shared', 'invited', 'joined'] as const
type Visibility = (typeof VISIBILITIES)[number]
type Phase = 'early' | 'invited' | 'inside' | 'away' | 'again'

/**
 * The life of a room: a message each when the reader had nothing to do with it (early), was invited, was joined
 * (inside), had left (away), was joined a second time (again), and the reader's part in it.
 */
const READERS = {
  never: [],
  invited: ['invite'],
  refused: ['invite', 'leave'],
  'banned from outside': ['ban'],
  joined: ['invite', 'join'],
  left: ['invite', 'join', 'leave'],
  banned: ['invite', 'join', 'ban'],
  'left and banned later': ['invite', 'join', 'leave', 'late ban'],
  'left and forgot': ['invite', 'join', 'leave', 'forget'],
  'left and invited again': ['invite', 'join', 'leave', 'reinvite'],
  rejoined: ['invite', 'join', 'leave', 'rejoin'],
} as const
type Reader = keyof typeof READERS

const ALL: readonly Phase[] = ['early', 'invited', 'inside', 'away', 'again']
/** Which messages each reader sees; null where the room is closed to them altogether. */
const EXPECTED: Readonly<Record<Visibility, Readonly<Record<Reader, readonly Phase[] | null>>>> = {
  world_readable: {
    never: ALL,
    invited: ALL,
    refused: ALL,
    'banned from outside': ALL,
    joined: ALL,
    left: ALL,
    banned: ALL,
    'left and banned later': ALL,
    'left and invited again': ALL,
    'left and forgot': ALL,
    rejoined: ALL,
  },
  shared: {
    never: null,
    invited: null,
    refused: null,
    'banned from outside': null,
    joined: ALL,
    left: ['early', 'invited', 'inside'],
    banned: ['early', 'invited', 'inside'],
    'left and banned later': ['early', 'invited', 'inside'],
    'left and invited again': ['early', 'invited', 'inside'],
    'left and forgot': null,
    rejoined: ALL,
  },
  invited: {
    never: null,
    invited: null,
    refused: null,
    'banned from outside': null,
    joined: ['invited', 'inside', 'away', 'again'],
    left: ['invited', 'inside'],
    banned: ['invited', 'inside'],
    'left and banned later': ['invited', 'inside'],
    'left and invited again': ['invited', 'inside'],
    'left and forgot': null,
    rejoined: ['invited', 'inside', 'again'],
  },
  joined: {
    never: null,
    invited: null,
    refused: null,
    'banned from outside': null,
    joined: ['inside', 'away', 'again'],
    left: ['inside'],
    banned: ['inside'],
    'left and banned later': ['inside'],
    'left and invited again': ['inside'],
    'left and forgot': null,
    rejoined: ['inside', 'again'],
  },
}
/** The room's name as each reader finds it: it changes after they have gone. */
const SEES_NEW_NAME: ReadonlySet<Reader> = new Set([
  'never',
  'invited',
  'refused',
  'banned from outside',
  'joined',
  'left and forgot',
  'rejoined',
])
/** The last phase of which sync tells each reader; null where the room is none that it has a timeline of. */
const SYNCED_UNTIL: Readonly<Record<Reader, Phase | null>> = {
  never: null,
  invited: null,
  refused: 'inside',
  'banned from outside': 'inside',
  joined: 'again',
  left: 'inside',
  banned: 'inside',
  'left and banned later': 'away',
  'left and forgot': null,
  'left and invited again': null,
  rejoined: 'again',
}
/** What sync tells besides the table above, or instead of it. */
const SYNCED: Readonly<Record<Visibility, Partial<Record<Reader, readonly Phase[]>>>> = {
  world_readable: {},
  // The name changed unseen: a timeline from before that would leave the old one, so it begins with the ban.
  shared: { 'left and banned later': [] },
  // Those who were invited see what was said then, though the room is closed to them otherwise.
  invited: { 'left and banned later': [], refused: ['invited', 'inside'] },
  joined: { 'left and banned later': [] },
}

let hearth: Hearth
let alice: RoomClient
const readers = new Map<Reader, RoomClient>()
/** Where each reader's client stood before all that. */
const tokensBefore = new Map<Reader, string>()
const rooms = new Map<string, { roomId: string; messages: Map<string, Phase>; tokenAway: string; tsAway: number }>()

async function liveThrough(reader: RoomClient, kind: Reader, visibility: Visibility) {
  const steps: readonly string[] = READERS[kind]
  const has = (step: string) => steps.includes(step)
  const roomId = await alice.createRoom({
    name: 'old',
    initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: visibility } }],
  })
  const messages = new Map<string, Phase>()
  const say = async (phase: Phase) => {
    hearth.advance(10)
    messages.set(await alice.send(roomId, { msgtype: 'm.text', body: phase }), phase)
  }
  await say('early')
  if (has('invite')) await alice.invite(roomId, reader)
  await say('invited')
  if (has('join')) await reader.join(roomId)
  await say('inside')
  if (has('leave')) await reader.leave(roomId)
  if (has('ban')) await alice.ban(roomId, reader)
  await say('away')
  await alice.setState(roomId, 'm.room.name', { name: 'new' })
  const { end: tokenAway } = await alice.get('getRoomEvents', `/rooms/${roomId}/messages?dir=b&limit=1`)
  const tsAway = hearth.services.clock()
  if (has('rejoin')) {
    await alice.invite(roomId, reader)
    await reader.join(roomId)
  }
  if (has('reinvite')) await alice.invite(roomId, reader)
  if (has('late ban')) await alice.ban(roomId, reader)
  if (has('forget')) await reader.do('forgetRoom', 'POST', `/rooms/${roomId}/forget`)
  await say('again')
  rooms.set(`${visibility} ${kind}`, { roomId, messages, tokenAway, tsAway })
}

before(async () => {
  hearth = await startHearth()
  alice = new RoomClient(hearth, await hearth.user('alice'))
  for (const [i, kind] of (Object.keys(READERS) as Reader[]).entries()) {
    const reader = new RoomClient(hearth, await hearth.user(`reader${i}`))
    readers.set(kind, reader)
    tokensBefore.set(kind, (await reader.get('sync', '/sync')).next_batch)
  }
  const lives = VISIBILITIES.flatMap((visibility) =>
    [...readers].map(([kind, reader]) => liveThrough(reader, kind, visibility)),
  )
  await Promise.all(lives)
})
after(() => hearth[Symbol.asyncDispose]())

for (const visibility of VISIBILITIES) {
  for (const kind of Object.keys(READERS) as Reader[]) {
    describe(`a room that is ${visibility}, for somebody who: ${kind}`, () => {
      const expected = EXPECTED[visibility][kind]
      const setUp = () => {
        const reader = readers.get(kind)
        const room = rooms.get(`${visibility} ${kind}`)
        assert.ok(reader !== undefined && room !== undefined)
        return { reader, ...room }
      }
      /** The answer, or null for the refusal that outsiders get. */
      const getOrRefused = async (reader: RoomClient, operation: string, path: string) => {
        const { status, body } = await reader.request('GET', path)
        assertMatchesSpec(operation, status, body)
        if (status === 200) return body
        assert.deepEqual([operation, status, body.errcode], [operation, 403, 'M_FORBIDDEN'])
        assert.equal(JSON.stringify(body).includes('old') || JSON.stringify(body).includes('new'), false)
        return null
      }

      for (const dir of ['b', 'f']) {
        it(`messages, dir=${dir}`, async () => {
          const { reader, roomId, messages } = setUp()
          const page = await getOrRefused(reader, 'getRoomEvents', `/rooms/${roomId}/messages?dir=${dir}&limit=1000`)
          const seen = page?.chunk.flatMap(({ event_id }: { event_id: string }) => messages.get(event_id) ?? []) ?? null
          assert.deepEqual(dir === 'b' ? (seen?.toReversed() ?? null) : seen, expected)
        })
      }

      it('sync, of all and of what is new', async () => {
        const { reader, roomId, messages } = setUp()
        const until = SYNCED_UNTIL[kind]
        const visible = SYNCED[visibility][kind] ?? expected ?? []
        const told = until === null ? null : visible.filter((phase) => ALL.indexOf(phase) <= ALL.indexOf(until))
        const filter = { room: { include_leave: true, timeline: { limit: 1000 } } }
        for (const since of ['', `&since=${tokensBefore.get(kind)}`]) {
          const { rooms: synced } = await reader.get(
            'sync',
            `/sync?filter=${encodeURIComponent(JSON.stringify(filter))}${since}`,
          )
          const room = synced?.join?.[roomId] ?? synced?.leave?.[roomId]
          const seen = room?.timeline.events.flatMap(
            ({ event_id }: { event_id: string }) => messages.get(event_id) ?? [],
          )
          assert.deepEqual(seen ?? null, told, since)
        }
      })

      it('event and context', async () => {
        const { reader, roomId, messages } = setUp()
        for (const [eventId, phase] of messages) {
          const isSeen = expected?.includes(phase) ?? false
          const event = await reader.request('GET', `/rooms/${roomId}/event/${eventId}`)
          assert.deepEqual([phase, event.status], [phase, isSeen ? 200 : 404])
          assert.equal((await reader.request('GET', `/events/${eventId}`)).status, event.status)
          const context = await reader.request('GET', `/rooms/${roomId}/context/${eventId}?limit=100`)
          assert.deepEqual([phase, context.status], [phase, expected === null ? 403 : isSeen ? 200 : 404])
          if (context.status !== 200) continue
          const { events_before: older, events_after: newer } = context.body
          const around = [...older.toReversed(), ...newer].flatMap(({ event_id }) => messages.get(event_id) ?? [])
          assert.deepEqual(
            around,
            expected?.filter((seen) => seen !== phase),
          )
        }
      })

      it('state, one state event, members', async () => {
        const { reader, roomId } = setUp()
        const state = await getOrRefused(reader, 'getRoomState', `/rooms/${roomId}/state`)
        const one = await getOrRefused(reader, 'getRoomStateWithKey', `/rooms/${roomId}/state/m.room.name`)
        const members = await getOrRefused(reader, 'getMembersByRoom', `/rooms/${roomId}/members`)
        if (expected === null) {
          assert.deepEqual([state, one, members], [null, null, null])
          return
        }
        const name = SEES_NEW_NAME.has(kind) ? 'new' : 'old'
        assert.equal(state.find(({ type }: { type: string }) => type === 'm.room.name').content.name, name)
        assert.equal(one.name, name)
        const own = members.chunk.find(({ state_key }: { state_key: string }) => state_key === reader.userId)
        const membership = {
          never: undefined,
          joined: 'join',
          rejoined: 'join',
          banned: 'ban',
          'banned from outside': 'ban',
          invited: 'invite',
        }
        assert.equal(own?.content.membership, kind in membership ? membership[kind as 'joined'] : 'leave')
      })

      it('members at a point after one had gone', async () => {
        const { reader, roomId, tokenAway } = setUp()
        const { status, body } = await reader.request('GET', `/rooms/${roomId}/members?at=${tokenAway}`)
        const own = body.chunk?.find(({ state_key }: { state_key: string }) => state_key === reader.userId)
        const stillIn = {
          never: undefined,
          invited: 'invite',
          joined: 'join',
          banned: 'ban',
          'banned from outside': 'ban',
        }
        if (expected === null) assert.equal(status, 403)
        else if (status === 200)
          assert.equal(own?.content.membership, kind in stillIn ? stillIn[kind as 'joined'] : 'leave')
        // Those who came back see nothing of the time between, unless everything is shared.
        else assert.deepEqual([kind, status], ['rejoined', 403])
      })

      it('joined members, for those who are joined', async () => {
        const { reader, roomId } = setUp()
        const { status } = await reader.request('GET', `/rooms/${roomId}/joined_members`)
        assert.equal(status, kind === 'joined' || kind === 'rejoined' ? 200 : 403)
      })

      it('timestamp_to_event after one had gone', async () => {
        const { reader, roomId, messages, tsAway } = setUp()
        const path = `/_matrix/client/v1/rooms/${roomId}/timestamp_to_event?ts=${tsAway}&dir=f`
        const { status, body } = await reader.request('GET', path)
        if (expected === null) assert.equal(status, 403)
        else if (!expected.includes('again')) assert.equal(status, 404)
        else {
          assert.equal(status, 200)
          assert.ok(kind === 'rejoined' || messages.get(body.event_id) !== 'away')
        }
      })

      it('initialSync and the event stream of the room', async () => {
        const { reader, roomId, messages } = setUp()
        const info = await getOrRefused(reader, 'roomInitialSync', `/rooms/${roomId}/initialSync?limit=1000`)
        const stream = await getOrRefused(reader, 'peekEvents', `/events?room_id=${roomId}&from=s1_0_a_0`)
        const seen = (events: { event_id: string }[] | undefined) =>
          events?.flatMap(({ event_id }) => messages.get(event_id) ?? []) ?? null
        assert.deepEqual([seen(info?.messages.chunk), seen(stream?.chunk)], [expected, expected])
      })
    })
  }
}
