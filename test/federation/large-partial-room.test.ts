/**
 * A room of 10,000 members is used at once while the server that it was joined by keeps its members to itself for a
 * minute, and is right once it has given them: also where the joining server is killed meanwhile.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Event } from '#core/event/event.ts'
import { BigRoom } from '#test/federation/harness/big-room.ts'
import { TestCa } from '#test/federation/harness/test-ca.ts'
import { HostileServer } from '#test/federation/hostile-server.ts'
import { type Api, Api as NewApi, room as roomPath, V3 } from '#test/system/harness/api.ts'
import { freePort } from '#test/system/harness/free-port.ts'
import { Hearth } from '#test/system/harness/hearth.ts'
import { until } from '#test/system/harness/until.ts'

const MEMBERS = 10_000
const USABLE_MS_MAX = 3_000
const WITHHELD_MS = 60_000
const COMPLETE_MS_MAX = 60_000
const HEARTH = 'hearth.example'

type Target = { readonly serverName: string; readonly federationAddress: string }
type Scene = AsyncDisposable & {
  readonly hearth: Hearth
  readonly target: Target
  readonly room: BigRoom
  readonly alice: Api
}

async function openScene(): Promise<Scene> {
  await using opened = new AsyncDisposableStack()
  const ca = opened.use(new TestCa())
  const resident = opened.use(await HostileServer.start('resident.example', ca))
  const room = new BigRoom(resident, { members: MEMBERS })
  const port = await freePort()
  const { certFile, keyFile } = ca.issue(HEARTH)
  const hearth = opened.use(
    await Hearth.start({
      config: {
        server_name: HEARTH,
        federation: {
          server_overrides: { [resident.serverName]: resident.federationAddress },
          ca_file: ca.caFile,
          allow_ip_ranges: ['127.0.0.0/8'],
        },
      },
      listeners: [{ host: '127.0.0.1', port, tls: { cert: certFile, key: keyFile }, resources: ['federation'] }],
    }),
  )
  const target = { serverName: HEARTH, federationAddress: `127.0.0.1:${port}` }
  const alice = await new NewApi(hearth.url).register('alice')
  const ending = opened.move()
  return { hearth, target, room, alice, [Symbol.asyncDispose]: () => ending.disposeAsync() }
}

/** What the other server sends, as its part of the room. */
async function arrives({ target, room }: Scene, ...events: readonly Event[]): Promise<void> {
  const { status, body } = await room.server.send(
    target,
    events.map(({ json }) => json),
  )
  assert.equal(status, 200)
  for (const answer of Object.values(body.pdus)) assert.deepEqual(answer, {})
}

async function isShown(user: Api, { roomId }: BigRoom, eventId: string): Promise<boolean> {
  const path = roomPath(roomId, 'messages')
  const { chunk } = await user.get(path, { dir: 'b', limit: 20 })
  return chunk.some((event: { event_id: string }) => event.event_id === eventId)
}

async function say(user: Api, { roomId }: BigRoom, body: string): Promise<string> {
  const path = roomPath(roomId, 'send', 'm.room.message', body)
  return (await user.put(path, { msgtype: 'm.text', body })).event_id
}

/** Joins, writes, and reads what a member says of whom nothing is known here. Resolves with the milliseconds it took. */
async function joinAndTalk(scene: Scene): Promise<number> {
  const { room, alice } = scene
  const began = performance.now()
  await alice.post(`${V3}/join/${encodeURIComponent(room.roomId)}?via=${room.server.serverName}`)
  const ours = await say(alice, room, 'hello')
  const theirs = room.remote.send({ msgtype: 'm.text', body: 'welcome' }, room.user(MEMBERS - 1))
  await arrives(scene, theirs)
  await until('the greeting to be shown', () => isShown(alice, room, theirs.eventId))
  assert.ok(await isShown(alice, room, ours))
  const took = performance.now() - began
  await until('the message to reach the other server', () => room.received.includes(ours as never))
  return took
}

/** The room changes while its members aren't known here. */
async function meanwhile(scene: Scene): Promise<void> {
  const { remote } = scene.room
  const [banned, left] = [scene.room.user(5), scene.room.user(6)]
  await arrives(
    scene,
    remote.member(left, 'leave'),
    remote.member(banned, 'ban', remote.creator),
    remote.put('m.room.topic', { topic: 'changed meanwhile' }),
    remote.send({ msgtype: 'm.text', body: 'after all that' }, scene.room.user(7)),
  )
}

/** Whether the room is what it is on the other server, whoever looks. */
async function assertWhole({ room, alice, hearth }: Scene): Promise<void> {
  const { remote, roomId } = room
  const state: { event_id: string }[] = await alice.get(roomPath(roomId, 'state'))
  const expected = remote.stateEvents.map(({ eventId }) => eventId)
  assert.deepEqual(state.map(({ event_id }) => event_id).sort(), expected.sort())
  const { joined } = await alice.get(roomPath(roomId, 'joined_members'))
  // Two have gone, and Alice has come.
  assert.equal(Object.keys(joined).length, MEMBERS - 1)
  const otherDevice = await new NewApi(hearth.url).login('alice')
  for (const device of [alice, otherDevice]) {
    const here = (await device.get(`${V3}/sync`, { timeout: 0 })).rooms.join[roomId]
    assert.equal(here.summary['m.joined_member_count'], MEMBERS - 1)
    assert.equal(here.timeline.events.at(-1).content.body, 'all is well')
  }
  const banned = await alice.get(roomPath(roomId, 'state', 'm.room.member', room.user(5)))
  assert.equal(banned.membership, 'ban')
}

/** Resolves once the server has all members, which is when it gives a list of them. */
async function becomesWhole({ alice, room }: Scene): Promise<void> {
  const path = roomPath(room.roomId, 'joined_members')
  const isWhole = async () => (await alice.request('GET', path)).status === 200
  await until('the room to be whole', isWhole, COMPLETE_MS_MAX)
}

describe('a room of 10,000 members whose list is withheld for a minute', { concurrency: true }, () => {
  it('is read and written within three seconds, and whole afterwards', async () => {
    await using scene = await openScene()
    scene.room.withhold()
    const withheld = sleep(WITHHELD_MS)
    const took = await joinAndTalk(scene)
    assert.ok(took < USABLE_MS_MAX, `it took ${Math.round(took)} ms`)
    await meanwhile(scene)
    await withheld
    const late = await say(scene.alice, scene.room, 'still here')
    await until('the message to reach the other server', () => scene.room.received.includes(late as never))
    scene.room.release()
    await becomesWhole(scene)
    await say(scene.alice, scene.room, 'all is well')
    await assertWhole(scene)
  })

  it('is whole also where the joining server is killed meanwhile', async () => {
    await using scene = await openScene()
    scene.room.withhold()
    const withheld = sleep(WITHHELD_MS)
    await joinAndTalk(scene)
    await scene.hearth.kill()
    await scene.hearth.boot()
    await meanwhile(scene)
    const ours = await say(scene.alice, scene.room, 'back again')
    await until('the message to reach the other server', () => scene.room.received.includes(ours as never))
    await withheld
    scene.room.release()
    await becomesWhole(scene)
    await say(scene.alice, scene.room, 'all is well')
    await assertWhole(scene)
  })
})
