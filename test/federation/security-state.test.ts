/** What other servers may do to the state and the timeline of rooms: S12, S15, S44, S49 over the wire. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Event } from '#core/event/event.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { RemoteRoom } from '#test/federation/harness/remote-room.ts'
import { arrives, deliver, joinedRoom, type Scene, securityScene } from '#test/federation/harness/security-scene.ts'
import { room } from '#test/system/harness/api.ts'

const e = encodeURIComponent

let scene: Scene
before(async () => {
  scene = await securityScene()
})
after(() => scene?.[Symbol.asyncDispose]())

const stateOf = async (remote: RemoteRoom, type: string, stateKey = '') =>
  (await scene.alice.request('GET', room(remote.roomId, 'state', type, stateKey))).body

/** Event ids of the current state, by type and key. */
async function current(remote: RemoteRoom): Promise<Record<string, string>> {
  const events: { type: string; state_key: string; event_id: string }[] = await scene.alice.get(
    room(remote.roomId, 'state'),
  )
  return Object.fromEntries(events.map(({ type, state_key, event_id }) => [`${type} ${state_key}`, event_id]))
}

async function sendAll(events: readonly Event[]): Promise<void> {
  for (let i = 0; i < events.length; i += 50) {
    const some = events.slice(i, i + 50).map(({ json }) => json)
    const { status } = await scene.evil.send(scene.hearth, some)
    assert.equal(status, 200)
  }
}

describe('S12: rooms', () => {
  it('are of version 12 where nobody asks for another', async () => {
    const roomId = await scene.alice.createRoom()
    const { content } = (await scene.alice.get(room(roomId, 'state'))).find(
      ({ type }: Event) => type === 'm.room.create',
    )
    assert.equal(content.room_version, '12')
    assert.ok(!roomId.includes(':'))
  })
})

describe('S15: a state that another server tells', () => {
  /** Sends an event on top of one that is never shown, and tells this state before it. */
  async function afterGap(remote: RemoteRoom, told: readonly Event[]): Promise<Event> {
    const { evil, hearth, alice } = scene
    const hidden = remote.event({ content: { body: 'hidden' } })
    const authEvents = remote.stateEvents.filter(({ eventId }) => hidden.authEvents.includes(eventId))
    const last = remote.event({ content: { body: 'after the gap' }, prevEvents: [hidden], authEvents })
    const known = new Map([...remote.timeline, ...told].map((event) => [event.eventId as string, event]))
    const chain = new Set([...told, ...remote.authChain(told)])
    evil.on('POST', `/v1/get_missing_events/${e(remote.roomId)}`, () => ({ status: 200, body: { events: [] } }))
    evil.on('GET', `/v1/state_ids/${e(remote.roomId)}`, () => {
      const ids = (events: Iterable<Event>) => [...events].map(({ eventId }) => eventId)
      return { status: 200, body: { pdu_ids: ids(told), auth_chain_ids: ids(chain) } }
    })
    evil.on('GET', '/v1/event/', ({ path }) => {
      const event = known.get(path[2] as string)
      return event === undefined
        ? { status: 404, body: { errcode: 'M_NOT_FOUND', error: '' } }
        : { status: 200, body: { origin: evil.serverName, origin_server_ts: 1, pdus: [event.json] } }
    })
    await evil.send(hearth, [last.json])
    await arrives(alice, remote.roomId, last.eventId)
    return last
  }

  for (const version of ['2', '10', '11', '12']) {
    it(`takes nothing away from the state here, in version ${version}`, async () => {
      const remote = await joinedRoom(scene, version)
      await deliver(scene, remote, remote.put('m.room.topic', { topic: 'ours' }))
      const before = await current(remote)
      const told = remote.stateEvents.filter(({ type, stateKey }) => {
        return type === 'm.room.create' || (type === 'm.room.member' && stateKey === remote.creator)
      })
      await afterGap(remote, [...told, ...remote.stateEvents.filter(({ type }) => type === 'm.room.power_levels')])
      assert.deepEqual(await current(remote), before)
    })

    it(`adds to it what the rules allow, and nothing else, in version ${version}`, async () => {
      const remote = await joinedRoom(scene, version)
      const eve = scene.evil.user('eve')
      await deliver(scene, remote, remote.member(eve, 'join'))
      const before = await current(remote)
      const levels = { type: 'm.room.power_levels', stateKey: '', content: { users: { [eve]: 100 } } }
      const seized = remote.event({ ...levels, sender: eve })
      const forged = remote.event({
        type: 'm.room.name',
        stateKey: '',
        content: { name: 'x' },
        signer: scene.other.signer,
      })
      const honest = remote.event({ type: 'm.room.topic', stateKey: '', content: { topic: 'by power' } })
      const kept = remote.stateEvents.filter(({ type }) => type !== 'm.room.power_levels')
      await afterGap(remote, [...kept, seized, forged, honest])
      assert.deepEqual(await current(remote), { ...before, 'm.room.topic ': honest.eventId })
    })
  }
})

describe('S44: a graph made to be costly', () => {
  for (const version of ['11', '12']) {
    it(`holds up neither the room nor others, in version ${version}`, { timeout: 120_000 }, async (test) => {
      const remote = await joinedRoom(scene, version)
      const fork = remote.tips
      const state = new Map(remote.state)
      const branch = (name: string, length: number) => {
        remote.tips = fork
        remote.state.clear()
        for (const [key, event] of state) remote.state.set(key, event)
        const users = version === '12' ? {} : { [remote.creator]: 100 }
        return Array.from({ length }, (_, index) =>
          remote.put('m.room.power_levels', { users: { ...users, [`@${name}${index}:evil.example`]: index % 50 } }),
        )
      }
      const left = branch('left', 150)
      const right = branch('right', 150)
      const merge = remote.event({ prevEvents: [left.at(-1)!, right.at(-1)!] })
      const begun = performance.now()
      let slowest = 0
      let isOver = false
      const others = (async () => {
        while (!isOver) {
          const asked = performance.now()
          await scene.alice.get('/_matrix/client/versions')
          slowest = Math.max(slowest, performance.now() - asked)
        }
      })()
      await sendAll([...left, ...right, merge])
      await arrives(scene.alice, remote.roomId, merge.eventId)
      isOver = true
      await others
      test.diagnostic(`${Math.round(performance.now() - begun)} ms; slowest other request ${Math.round(slowest)} ms`)
      assert.ok(slowest < 2_000, `another request took ${slowest} ms`)
      const content = (await stateOf(remote, 'm.room.power_levels')) as { users: JsonObject }
      assert.ok(Object.keys(content.users).some((user) => /^@(left|right)149:/.test(user)))
    })
  }
})

describe('S49: a room full of refused events', () => {
  it('is walked through by /messages to its start', { timeout: 180_000 }, async (test) => {
    const remote = await joinedRoom(scene)
    const eve = scene.evil.user('eve')
    await deliver(scene, remote, remote.member(eve, 'join'))
    const begun = performance.now()
    let before = remote.tips
    const refused = Array.from({ length: 5_000 }, (_, index) => {
      const topic = { type: 'm.room.topic', stateKey: '', sender: eve, content: { topic: `${index}` } }
      const event = remote.event({ ...topic, prevEvents: before })
      before = [event]
      return event
    })
    const last = remote.event({ content: { body: 'on top' }, prevEvents: before })
    await sendAll([...refused, last])
    await arrives(scene.alice, remote.roomId, last.eventId)
    const sent = performance.now()
    const events = await scene.alice.history(remote.roomId, 10)
    test.diagnostic(`${Math.round(sent - begun)} ms to take them, ${Math.round(performance.now() - sent)} ms to walk`)
    // What was before the join is nowhere to be had.
    assert.equal(events[0]?.state_key, scene.alice.userId)
    assert.equal(events.at(-1)?.event_id, last.eventId)
    assert.ok(events.every(({ type }) => type !== 'm.room.topic'))
  })
})
