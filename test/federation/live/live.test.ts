/**
 * Hearth and a real Synapse in the same rooms, in both directions. Installs Synapse where it isn't there (see
 * `synapsePython`); without it this fails where the environment says `CI`, and skips loudly elsewhere.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import { type Pair, type Side, startPair, stateIds } from '#test/federation/live/pair.ts'
import { Api, type Body, type Event, room, V3 } from '#test/system/harness/api.ts'
import { until } from '#test/system/harness/until.ts'

const VERSIONS = [...ROOM_VERSIONS.keys()]
const e = encodeURIComponent

let pair: Pair
let users: Record<Side['name'], { first: Api; second: Api }>
let missing: string | null = null

before(async () => {
  try {
    pair = await startPair()
  } catch (error) {
    if (process.env['CI'] !== undefined) throw error
    missing = `Synapse is NOT tested against: ${(error as Error).message}`
    console.error(missing)
    return
  }
  const two = async ({ url }: Side) => {
    const [first, second] = await new Api(url).registerAll(['first', 'second'])
    return { first: first as Api, second: second as Api }
  }
  users = { hearth: await two(pair.hearth), synapse: await two(pair.synapse) }
})
after(() => pair?.[Symbol.asyncDispose]())

function test(name: string, run: () => Promise<void>): void {
  it(name, { timeout: 60_000 }, async (context: TestContext) => {
    if (missing !== null) {
      context.skip(missing)
      return
    }
    await run()
  })
}

/** Joins a room that another server knows. */
async function joinVia(user: Api, roomId: string, via: string): Promise<void> {
  await user.post(`${V3}/join/${e(roomId)}?via=${e(via)}&server_name=${e(via)}`)
}

function event(user: Api, roomId: string, eventId: string): Promise<Event | null> {
  return user.get(room(roomId, 'event', eventId)).catch(() => null)
}

/** The event as this user sees it, once it is there. */
function arrives(user: Api, roomId: string, eventId: string): Promise<Event> {
  return until(`${eventId} to reach ${user.userId}`, () => event(user, roomId, eventId))
}

function stateContent(user: Api, roomId: string, type: string, stateKey = ''): Promise<Body> {
  return user.get(room(roomId, 'state', type, stateKey)).catch(() => null)
}

function hasMembership(viewer: Api, roomId: string, userId: string, membership: string): Promise<unknown> {
  return until(`${viewer.userId} to see ${userId} as ${membership}`, async () => {
    return (await stateContent(viewer, roomId, 'm.room.member', userId))?.membership === membership
  })
}

/** Both servers hold the same state, event by event. */
async function agree(roomId: string, one: Api, other: Api): Promise<void> {
  let [a, b] = [new Map<string, string>(), new Map<string, string>()]
  try {
    await until('the same state on both servers', async () => {
      a = await stateIds(one, roomId)
      b = await stateIds(other, roomId)
      return a.size === b.size && [...a].every(([key, eventId]) => b.get(key) === eventId)
    })
  } catch {
    assert.deepEqual(b, a)
  }
}

const otherSide = (side: Side): Side => (side.name === 'hearth' ? pair.synapse : pair.hearth)

describe('keys and versions', () => {
  test('each finds the other and reads its keys', async () => {
    for (const [asking, side] of [
      ['synapse', 'hearth'],
      ['hearth', 'synapse'],
    ] as const) {
      const target = users[side].first.userId
      const profile = await users[asking].first.get(`${V3}/profile/${e(target)}`)
      assert.equal(profile.displayname, 'first')
    }
  })
})

for (const home of ['synapse', 'hearth'] as const) {
  describe(`rooms made on ${home}`, () => {
    for (const version of VERSIONS) {
      test(`version ${version}: join, messages, power levels, redaction`, () => sharedRoom(pair[home], version))
    }
  })
}

/** What canonical JSON forbids, but versions 1 to 5 let pass. */
const ODD_NUMBERS = '{"msgtype":"m.text","body":"odd numbers","float":1.5,"big":9007199254740993,"zero":-0.0,"exp":1e3}'

async function sharedRoom(side: Side, version: string): Promise<void> {
  const creator = users[side.name].first
  const guest = users[otherSide(side).name].first
  const roomId = await creator.createRoom({ preset: 'public_chat', room_version: version })
  await creator.send(roomId, 'before anybody came')
  await joinVia(guest, roomId, side.serverName)
  await hasMembership(creator, roomId, guest.userId, 'join')

  const greeting = await creator.send(roomId, 'welcome')
  assert.equal((await arrives(guest, roomId, greeting)).content.body, 'welcome')
  const answer = await guest.send(roomId, 'thanks')
  assert.equal((await arrives(creator, roomId, answer)).content.body, 'thanks')

  const levels = await stateContent(creator, roomId, 'm.room.power_levels')
  await creator.state(roomId, 'm.room.power_levels', { ...levels, users: { ...levels.users, [guest.userId]: 50 } })
  await until('the new power level', async () => {
    return (await stateContent(guest, roomId, 'm.room.power_levels'))?.users?.[guest.userId] === 50
  })
  await guest.state(roomId, 'm.room.topic', { topic: `version ${version}` })
  await until('the topic', async () => {
    return (await stateContent(creator, roomId, 'm.room.topic'))?.topic === `version ${version}`
  })

  const redaction = await guest.redact(roomId, greeting)
  await arrives(creator, roomId, redaction)
  for (const viewer of [creator, guest]) {
    await until('the redacted message', async () => {
      return (await event(viewer, roomId, greeting))?.content.body === undefined
    })
  }
  if (Number(version) < 6) await oddNumbers(roomId, users.synapse.first, users.hearth.first)
  await agree(roomId, creator, guest)
}

/** Synapse's clients may send such numbers in rooms of old versions; they must not break the event on its way. */
async function oddNumbers(roomId: string, sender: Api, reader: Api): Promise<void> {
  const path = room(roomId, 'send', 'm.room.message', `odd${roomId}`)
  const answer = await sender.request('PUT', path, {
    raw: ODD_NUMBERS,
    headers: { 'content-type': 'application/json' },
  })
  assert.equal(answer.status, 200, JSON.stringify(answer.body))
  const read = await arrives(reader, roomId, answer.body.event_id)
  assert.equal(read.content.float, 1.5)
  assert.equal(read.content.body, 'odd numbers')
}
