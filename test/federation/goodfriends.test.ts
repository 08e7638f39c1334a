/**
 * The story of Matrix's first documentation: each server keeps its own copy of a room, and no copy can be bent. Alice
 * is at example.com, whose administrator is Walter; Bob is at matrix.org, Carol at ergaster.org.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { TestCa } from '#test/federation/harness/test-ca.ts'
import { TlsHearth } from '#test/federation/harness/tls-hearth.ts'
import { Api, type Body, room } from '#test/system/harness/api.ts'
import { freePort } from '#test/system/harness/free-port.ts'
import { until } from '#test/system/harness/until.ts'
import { runCommand } from '../../src/cli/run-command.ts'

const NAMES = ['example.com', 'matrix.org', 'ergaster.org'] as const
type Name = (typeof NAMES)[number]

const WALTER = '@walter:example.com'
const ALIAS = '#goodfriends:example.com'

let ca: TestCa
let servers: Record<Name, TlsHearth>
let alice: Api
let walter: Api
let bob: Api
let carol: Api
let roomId: string

before(async () => {
  ca = new TestCa()
  const ports = Object.fromEntries(await Promise.all(NAMES.map(async (name) => [name, await freePort()] as const)))
  const others = Object.fromEntries(NAMES.map((name) => [name, `127.0.0.1:${ports[name]}`]))
  const start = (serverName: Name) => TlsHearth.start({ serverName, ca, federationPort: ports[serverName]!, others })
  const [a, b, c] = await Promise.all(NAMES.map(start))
  servers = { 'example.com': a!, 'matrix.org': b!, 'ergaster.org': c! }
  alice = await a!.user('alice')
  walter = await a!.user('walter')
  bob = await b!.user('bob')
  carol = await c!.user('carol')
})
after(async () => {
  for (const server of Object.values(servers ?? {})) await server[Symbol.asyncDispose]()
  ca[Symbol.dispose]()
})

const levelsSeenBy = async (user: Api): Promise<Body> => {
  return (await user.get(room(roomId, 'state', 'm.room.power_levels'))).users
}

/** What the copies of all three servers say about a user's power: example.com's, matrix.org's, ergaster.org's. */
const levelEverywhere = async (userId: string): Promise<number[]> => {
  const copies = await Promise.all([alice, bob, carol].map(levelsSeenBy))
  return copies.map((users) => users[userId] ?? 0)
}

const reachesEverybody = (eventId: string) =>
  Promise.all(
    [alice, bob, carol].map((user) =>
      until(`${eventId} to reach ${user.userId}`, () => user.get(room(roomId, 'event', eventId)).catch(() => null)),
    ),
  )

/** Stops a server, does something to its data, and starts it again; its clients find it at another port. */
async function whileStopped<T>(name: Name, change: (server: TlsHearth) => T | Promise<T>): Promise<T> {
  const server = servers[name]
  await server.stop()
  const result = await change(server)
  await server.boot()
  const moved = ({ token, userId, deviceId }: Api) => {
    return new Api(server.url, { access_token: token ?? '', user_id: userId, device_id: deviceId })
  }
  if (name === 'example.com') [alice, walter] = [moved(alice), moved(walter)]
  else if (name === 'matrix.org') bob = moved(bob)
  else carol = moved(carol)
  return result
}

/** Runs `hearth room make-admin` with the settings of a server. */
async function makeRoomAdmin(server: TlsHearth, userId: string): Promise<{ code: number; said: string }> {
  const file = join(server.dataDir, 'hearth.yaml')
  writeFileSync(file, JSON.stringify(server.settings))
  const said: string[] = []
  const say = (line: string) => said.push(line)
  const io = { environment: {}, print: say, complain: say, readInput: async () => '' }
  const code = await runCommand(['room', 'make-admin', roomId, userId, '--config', file], io)
  return { code, said: said.join('\n') }
}

const HONEST = '"@alice:example.com":100'
const BENT = `${HONEST},"${WALTER}":100`

/** Replaces a text in the room's power levels, straight in a server's database. */
function editPowerLevels({ dataDir }: TlsHearth, from: string, to: string): void {
  const database = new DatabaseSync(join(dataDir, 'hearth.db'))
  const edit = database.prepare("UPDATE events SET json = replace(json, ?, ?) WHERE json LIKE '%m.room.power_levels%'")
  const changed = database.prepare('SELECT count(*) AS events FROM events WHERE instr(json, ?) > 0')
  edit.run(from, to)
  assert.notEqual(changed.get(to)?.['events'], 0)
  database.close()
}

describe('#goodfriends', () => {
  it('is made by Alice, who has power 100 in it', async () => {
    roomId = await alice.createRoom({ room_alias_name: 'goodfriends', preset: 'public_chat', room_version: '11' })
    assert.deepEqual(await levelsSeenBy(alice), { '@alice:example.com': 100 })
  })

  it('is joined by Bob and Carol, who have none', async () => {
    await bob.join(ALIAS)
    await carol.join(ALIAS)
    await walter.join(ALIAS)
    const hello = await bob.send(roomId, 'hello from matrix.org')
    await reachesEverybody(hello)
    assert.deepEqual(await levelEverywhere('@alice:example.com'), [100, 100, 100])
    for (const userId of [bob.userId, carol.userId, WALTER]) assert.deepEqual(await levelEverywhere(userId), [0, 0, 0])
  })

  it("is believed by nobody to be Walter's because his own database says so", async () => {
    await whileStopped('example.com', (server) => editPowerLevels(server, HONEST, BENT))

    // His own server believes him now, and sends what he says.
    assert.equal((await levelsSeenBy(walter))[WALTER], 100)
    const topic = await walter.state(roomId, 'm.room.topic', { topic: 'Walter was here' })
    assert.equal((await alice.get(room(roomId, 'state', 'm.room.topic'))).topic, 'Walter was here')

    // The others refuse it, and go on as before.
    const after = await bob.send(roomId, 'anything new?')
    await until('the message to reach Carol', () => carol.get(room(roomId, 'event', after)).catch(() => null))
    for (const user of [bob, carol]) {
      assert.equal((await levelsSeenBy(user))[WALTER] ?? 0, 0)
      assert.equal((await user.request('GET', room(roomId, 'state', 'm.room.topic'))).status, 404)
      assert.notEqual((await user.request('GET', room(roomId, 'event', topic))).status, 200)
    }
  })

  it("becomes Walter's, too, through Alice", async () => {
    const { code, said } = await whileStopped('example.com', (server) => {
      editPowerLevels(server, BENT, HONEST)
      return makeRoomAdmin(server, WALTER)
    })
    assert.equal(code, 0, said)
    assert.match(said, /through @alice:example\.com/)
    await until('Walter to have power in every copy', async () => {
      return (await levelEverywhere(WALTER)).every((level) => level === 100)
    })
    await reachesEverybody(await walter.state(roomId, 'm.room.topic', { topic: 'Walter may' }))
  })

  it("can't be given away at ergaster.org, where nobody holds power", async () => {
    const { code, said } = await whileStopped('ergaster.org', (server) => makeRoomAdmin(server, carol.userId))
    assert.equal(code, 1)
    assert.match(said, /Nobody of ergaster\.org holds power/)
    assert.deepEqual(await levelEverywhere(carol.userId), [0, 0, 0])
  })
})
