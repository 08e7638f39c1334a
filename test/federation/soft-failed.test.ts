/** State that the room refused at first and takes later, by the end of a fork: clients learn of it though no timeline shows it. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Event } from '#core/event/event.ts'
import type { RemoteRoom } from '#test/federation/harness/remote-room.ts'
import {
  arrives,
  deliver,
  isShown,
  joinedRoom,
  type Scene,
  securityScene,
} from '#test/federation/harness/security-scene.ts'
import type { Body } from '#test/system/harness/api.ts'

let scene: Scene
before(async () => {
  scene = await securityScene()
})
after(() => scene?.[Symbol.asyncDispose]())

/** A topic of somebody who had left by the time that it came, and an event that joins both branches. */
function late(remote: RemoteRoom): { leave: Event; topic: Event; joining: Event } {
  const eve = scene.evil.user('eve')
  const { tips } = remote
  const join = remote.stateEvents.find(({ stateKey }) => stateKey === eve)!
  const ts = Date.now()
  const leave = remote.event({
    type: 'm.room.member',
    stateKey: eve,
    sender: eve,
    content: { membership: 'leave' },
    json: { origin_server_ts: ts + 1_000 },
  })
  const topic = remote.event({
    type: 'm.room.topic',
    stateKey: '',
    sender: eve,
    content: { topic: 'from before the leave' },
    json: { origin_server_ts: ts },
    prevEvents: tips,
  })
  assert.ok(topic.authEvents.includes(join.eventId))
  const joining = remote.event({ content: { body: 'joins both' }, prevEvents: [leave, topic] })
  return { leave, topic, joining }
}

describe('state that was soft-failed', () => {
  for (const version of ['2', '11', '12']) {
    it(`reaches clients in state once it is the room's, in version ${version}`, async () => {
      const { alice, evil, hearth } = scene
      const remote = await joinedRoom(scene, version)
      const eve = evil.user('eve')
      const levels = { ...(version === '12' ? {} : { [remote.creator]: 100 }), [eve]: 50 }
      await deliver(scene, remote, remote.member(eve, 'join'), remote.put('m.room.power_levels', { users: levels }))
      const { leave, topic, joining } = late(remote)

      const { next_batch: before } = await alice.sync({ timeout: 0 })
      await evil.send(hearth, [leave.json])
      await evil.send(hearth, [topic.json])
      const { rooms: refused, next_batch: between } = await alice.sync({ since: before, timeout: 0 })
      assert.deepEqual(idsOf(refused.join[remote.roomId].timeline), [leave.eventId])
      assert.deepEqual(idsOf(refused.join[remote.roomId].state), [])
      assert.equal(await isShown(alice, remote.roomId, topic.eventId), false)

      await evil.send(hearth, [joining.json])
      await arrives(alice, remote.roomId, joining.eventId)
      const news: readonly [string, readonly string[]][] = [
        [between, [joining.eventId]],
        [before, [leave.eventId, joining.eventId]],
      ]
      for (const [since, shown] of news) {
        const { state, timeline } = (await alice.sync({ since, timeout: 0 })).rooms.join[remote.roomId]
        assert.deepEqual(idsOf(timeline), shown)
        assert.deepEqual(idsOf(state), [topic.eventId])
      }
      const { state } = (await alice.sync({ timeout: 0 })).rooms.join[remote.roomId]
      assert.ok(idsOf(state).includes(topic.eventId))
    })
  }
})

function idsOf({ events }: Body): string[] {
  return events.map(({ event_id }: { event_id: string }) => event_id)
}
