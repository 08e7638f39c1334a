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
const NEWEST = VERSIONS.at(-1) as string
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

/** Synapse's clients may send such numbers in rooms of old versions; they must not change an event on its way. */
async function oddNumbers(roomId: string, sender: Api, reader: Api): Promise<void> {
  for (const path of [
    room(roomId, 'send', 'm.room.message', `odd${roomId}`),
    room(roomId, 'state', 'org.example.odd'),
  ]) {
    const options = { raw: ODD_NUMBERS, headers: { 'content-type': 'application/json' } }
    const answer = await sender.request('PUT', path, options)
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    const { event_id: eventId } = answer.body
    assert.equal((await arrives(reader, roomId, eventId)).content.body, 'odd numbers')
    // As it is written: JavaScript would read another number.
    const headers = { authorization: `Bearer ${reader.token}` }
    const text = await (await fetch(`${reader.url}${room(roomId, 'event', eventId)}`, { headers })).text()
    assert.match(text, /"float":1\.5[,}]/)
    assert.match(text, /"big":9007199254740993[,}]/)
  }
  // What was said before can be built upon.
  const answer = await reader.send(roomId, 'even so')
  await arrives(sender, roomId, answer)
}

for (const home of ['synapse', 'hearth'] as const) {
  describe(`people of both servers in rooms of ${home}`, () => {
    const host = () => users[home].first
    const side = () => pair[home]
    const away = () => otherSide(pair[home])
    const visitor = () => users[away().name].first
    const second = () => users[away().name].second

    test('an invite arrives, and is accepted; another is refused', async () => {
      const roomId = await newest(host(), { preset: 'private_chat', invite: [visitor().userId, second().userId] })
      for (const invited of [visitor(), second()]) await isInvited(invited, roomId)
      await visitor().post(`${V3}/join/${e(roomId)}`)
      await hasMembership(host(), roomId, visitor().userId, 'join')
      await second().leave(roomId)
      await hasMembership(host(), roomId, second().userId, 'leave')
      await agree(roomId, host(), visitor())
    })

    test('a knock is heard and answered with an invite', async () => {
      const roomId = await roomWith(host(), { join_rule: 'knock' })
      await visitor().post(`${V3}/knock/${e(roomId)}?via=${e(side().serverName)}&server_name=${e(side().serverName)}`)
      await hasMembership(host(), roomId, visitor().userId, 'knock')
      await host().invite(roomId, visitor().userId)
      await isInvited(visitor(), roomId)
      await visitor().post(`${V3}/join/${e(roomId)}`)
      await hasMembership(host(), roomId, visitor().userId, 'join')
    })

    test('a restricted room lets in who is in the other room, and nobody else', async () => {
      const lobby = await newest(host(), { preset: 'public_chat' })
      const allow = [{ type: 'm.room_membership', room_id: lobby }]
      const roomId = await roomWith(host(), { join_rule: 'restricted', allow })
      await assert.rejects(joinVia(visitor(), roomId, side().serverName))
      await joinVia(visitor(), lobby, side().serverName)
      await hasMembership(host(), lobby, visitor().userId, 'join')
      await joinVia(visitor(), roomId, side().serverName)
      await hasMembership(host(), roomId, visitor().userId, 'join')
    })

    test('leaving, coming again, being banned', async () => {
      const roomId = await sharedPublicRoom(host(), visitor(), side())
      await visitor().leave(roomId)
      await hasMembership(host(), roomId, visitor().userId, 'leave')
      await joinVia(visitor(), roomId, side().serverName)
      await hasMembership(host(), roomId, visitor().userId, 'join')
      await host().post(room(roomId, 'ban'), { user_id: visitor().userId })
      await until('the ban to arrive', async () => {
        const joined = await visitor().get(`${V3}/joined_rooms`)
        return !joined.joined_rooms.includes(roomId)
      })
      await assert.rejects(joinVia(visitor(), roomId, side().serverName))
    })

    test('what was said before the visitor came is read by going back: 200 messages', async () => {
      const roomId = await newest(host(), { preset: 'public_chat' })
      for (let said = 0; said < 200; said++) await host().send(roomId, `message ${said}`)
      await joinVia(visitor(), roomId, side().serverName)
      const bodies = await until('all of the history', async () => {
        const events = await visitor().history(roomId)
        const found = events.filter(({ type }) => type === 'm.room.message').map(({ content }) => content.body)
        return found.length >= 200 ? found : null
      })
      assert.deepEqual(
        bodies,
        Array.from({ length: 200 }, (_, said) => `message ${said}`),
      )
    })

    test('an alias leads to the room, and the list of public rooms shows it', async () => {
      const name = `live-${home}`
      const body = { preset: 'public_chat', visibility: 'public', room_alias_name: name, name: 'A public room' }
      const roomId = await newest(host(), body)
      const alias = `#${name}:${side().serverName}`
      assert.equal((await visitor().get(`${V3}/directory/room/${e(alias)}`)).room_id, roomId)
      await until('the room in the list', async () => {
        const list = await visitor().get(`${V3}/publicRooms`, { server: side().serverName })
        return list.chunk.some(({ room_id }: { room_id: string }) => room_id === roomId)
      })
      await visitor().join(alias)
      await hasMembership(host(), roomId, visitor().userId, 'join')
    })

    test('profiles, typing, receipts and presence', async () => {
      const roomId = await sharedPublicRoom(host(), visitor(), side())
      const profile = `${V3}/profile/${e(visitor().userId)}`
      await visitor().put(`${profile}/displayname`, { displayname: `Visitor of ${home}` })
      await until('the new name', async () => {
        return (await host().get(profile)).displayname === `Visitor of ${home}`
      })
      const eventId = await host().send(roomId, 'have you read this?')
      await arrives(visitor(), roomId, eventId)
      await visitor().put(room(roomId, 'typing', visitor().userId), { typing: true, timeout: 20_000 })
      await ephemeral(host(), roomId, 'm.typing', (content) => content.user_ids.includes(visitor().userId))
      await visitor().post(room(roomId, 'receipt', 'm.read', eventId))
      await ephemeral(host(), roomId, 'm.receipt', (content) => {
        return content[eventId]?.['m.read']?.[visitor().userId] !== undefined
      })
      await visitor().put(`${V3}/presence/${e(visitor().userId)}/status`, { presence: 'online', status_msg: 'here' })
      await until('the presence', async () => {
        const seen = await host().request('GET', `${V3}/presence/${e(visitor().userId)}/status`)
        return seen.body?.status_msg === 'here'
      })
    })

    test('a space and its rooms are seen from afar', async () => {
      const child = await newest(host(), { preset: 'public_chat', name: 'A child' })
      const space = await newest(host(), { preset: 'public_chat', creation_content: { type: 'm.space' } })
      await host().state(space, 'm.space.child', { via: [side().serverName] }, child)
      await joinVia(visitor(), space, side().serverName)
      await until('the child in the hierarchy', async () => {
        const { rooms } = await visitor().get(`/_matrix/client/v1/rooms/${e(space)}/hierarchy`)
        return rooms.some(({ room_id, name }: Body) => room_id === child && name === 'A child')
      })
    })

    test('messages of both ways arrive after the other server was down', async () => {
      const roomId = await sharedPublicRoom(host(), visitor(), side())
      await away().stop()
      const missed: string[] = []
      for (let said = 0; said < 5; said++) missed.push(await host().send(roomId, `while you were away ${said}`))
      await away().boot()
      for (const eventId of missed) await arrives(visitor(), roomId, eventId)
      const answer = await visitor().send(roomId, 'I am back')
      await arrives(host(), roomId, answer)
      await agree(roomId, host(), visitor())
    })
  })
}

function isInvited(user: Api, roomId: string): Promise<unknown> {
  return until(`${user.userId} to be invited`, async () => {
    return (await user.sync({ timeout: 0 })).rooms?.invite?.[roomId] !== undefined
  })
}

/** A room of the newest version, whatever the server would choose. */
function newest(user: Api, options: object): Promise<string> {
  return user.createRoom({ ...options, room_version: NEWEST })
}

function roomWith(user: Api, joinRules: object): Promise<string> {
  const initial_state = [{ type: 'm.room.join_rules', state_key: '', content: joinRules }]
  return newest(user, { preset: 'private_chat', initial_state })
}

async function sharedPublicRoom(host: Api, visitor: Api, side: Side): Promise<string> {
  const roomId = await newest(host, { preset: 'public_chat' })
  await joinVia(visitor, roomId, side.serverName)
  await hasMembership(host, roomId, visitor.userId, 'join')
  return roomId
}

function ephemeral(user: Api, roomId: string, type: string, fits: (content: Body) => boolean): Promise<unknown> {
  return until(`${type} to reach ${user.userId}`, async () => {
    const answer = await user.sync({ timeout: 0 })
    const events: Event[] = answer.rooms?.join?.[roomId]?.ephemeral?.events ?? []
    return events.some((event) => event.type === type && fits(event.content))
  })
}
