/** What other servers sent, as numbers for whoever runs this one. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { deliver, joinedRoom, type Scene, securityScene } from '#test/federation/harness/security-scene.ts'

let scene: Scene
before(async () => {
  scene = await securityScene()
})
after(() => scene?.[Symbol.asyncDispose]())

async function shown(): Promise<Map<string, number>> {
  const text = await scene.hearth.services.metrics.text()
  const lines = text.split('\n').filter((line) => line.startsWith('hearth_federation_') && line.includes('_total{'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}

it('counts events by what became of them, and EDUs by type', async () => {
  const remote = await joinedRoom(scene)
  const before = await shown()
  const eve = scene.evil.user('eve')
  await deliver(scene, remote, remote.member(eve, 'join'))
  const topic = { type: 'm.room.topic', stateKey: '', content: { topic: 'mine' } }
  const rejected = remote.event({ ...topic, sender: eve })
  const dropped = remote.event({ json: { depth: -1 } })
  await deliver(scene, remote, rejected, dropped)
  const typing = { room_id: remote.roomId, user_id: eve, typing: true }
  const edus = [{ edu_type: 'm.typing', content: typing }, { edu_type: 'x.y', content: {} }, {}]
  await scene.evil.send(scene.hearth, [], edus)
  const grown = Object.fromEntries(
    [...(await shown())]
      .map(([name, count]) => [name, count - (before.get(name) ?? 0)])
      .filter(([, more]) => more !== 0),
  )
  assert.deepEqual(grown, {
    // A join, and the message that follows each delivery.
    'hearth_federation_events_total{outcome="accepted"}': 3,
    'hearth_federation_events_total{outcome="rejected"}': 1,
    'hearth_federation_events_total{outcome="dropped"}': 1,
    'hearth_federation_edus_total{type="m.typing"}': 1,
    'hearth_federation_edus_total{type="other"}': 2,
  })
})

it('shows how far each follower of the log has come', async () => {
  const { followers, metrics } = scene.hearth.services
  await followers.idle()
  const text = await metrics.text()
  const end = / (\d+)$/m.exec(text.slice(text.indexOf('\nhearth_stream_position')))?.[1]
  for (const follower of ['federation', 'device_lists', 'sync', 'typing', 'presence']) {
    assert.ok(text.includes(`hearth_follower_position{follower="${follower}"} ${end}\n`), follower)
    assert.ok(text.includes(`hearth_follower_lag{follower="${follower}"} 0\n`), follower)
  }
})
