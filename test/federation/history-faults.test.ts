/** Reading back in a room of a server whose history holds what can't be taken, or that can't be reached for a while. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Event, stateMapKey } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { RemoteRoom } from '#test/federation/harness/remote-room.ts'
import { type Scene, securityScene, serveRoom } from '#test/federation/harness/security-scene.ts'
import type { Asked, Reply } from '#test/federation/hostile-server.ts'
import { room, V3 } from '#test/system/harness/api.ts'

const e = encodeURIComponent

let scene: Scene
before(async () => {
  scene = await securityScene()
})
after(() => scene?.[Symbol.asyncDispose]())

/** A room with a history, some of whose events are not what they should be, and which Alice joins. */
async function oldRoom(bad: readonly number[], spoil: (event: Event) => JsonObject): Promise<RemoteRoom> {
  const { evil, alice } = scene
  const remote = new RemoteRoom('11', evil.user('mallory'), evil.signer)
  const said = Array.from({ length: 12 }, (_, n) => remote.send({ body: String(n) }))
  const spoilt = new Set(bad.map((n) => said[n]!.eventId))
  serveRoom(evil, remote)
  evil.on('GET', `/v1/backfill/${e(remote.roomId)}`, ({ query }: Asked): Reply => {
    const from = remote.timeline.findIndex(({ eventId }) => eventId === query.get('v'))
    const some = remote.timeline.slice(Math.max(0, from - 3), from + 1).toReversed()
    return { status: 200, body: { pdus: some.map((event) => (spoilt.has(event.eventId) ? spoil(event) : event.json)) } }
  })
  evil.on('GET', `/v1/state_ids/${e(remote.roomId)}`, ({ query }: Asked): Reply => {
    const state = new Map<string, Event>()
    for (const event of remote.timeline) {
      if (event.eventId === query.get('event_id')) break
      if (event.stateKey !== null) state.set(stateMapKey(event.type, event.stateKey), event)
    }
    const events = [...state.values()]
    const ids = (some: readonly Event[]) => some.map(({ eventId }) => eventId)
    return { status: 200, body: { pdu_ids: ids(events), auth_chain_ids: ids(remote.authChain(events)) } }
  })
  await alice.post(`${V3}/join/${e(remote.roomId)}?via=${evil.serverName}`)
  return remote
}

/** All events from the newest back to the first, by pages. */
async function readAll(remote: RemoteRoom): Promise<EventId[]> {
  const events: EventId[] = []
  let from = {}
  for (let pages = 0; pages < 30; pages += 1) {
    const page = await scene.alice.get(room(remote.roomId, 'messages'), { dir: 'b', limit: 5, ...from })
    events.push(...page.chunk.map((event: { event_id: EventId }) => event.event_id))
    if (page.end === undefined) return events
    from = { from: page.end }
  }
  throw new Error('The timeline has no end')
}

describe('history that can not all be taken', () => {
  const unsigned = (event: Event): JsonObject => ({ ...event.json, signatures: { [scene.evil.serverName]: {} } })

  for (const bad of [[5], [11], [0, 3, 4, 5, 6, 7, 8, 9]]) {
    it(`is read to the room's creation past forged events (${bad})`, async () => {
      const remote = await oldRoom(bad, unsigned)
      const good = remote.timeline.filter(({ content }) => !bad.includes(Number(content['body'] ?? -1)))
      assert.deepEqual(await readAll(remote), good.map(({ eventId }) => eventId).toReversed())
    })
  }
})

describe('history whose server can not be reached', () => {
  it('may be asked for again, and is had when the server is back', async () => {
    const remote = await oldRoom([], ({ json }) => json)
    const { alice, hearth, evil } = scene
    evil.misbehaves = (_request, response) => response.destroy()
    const page = (from: object) => alice.get(room(remote.roomId, 'messages'), { dir: 'b', limit: 20, ...from })
    const first = await page({})
    const second = await page({ from: first.end })
    assert.deepEqual([second.chunk, second.end], [[], first.end])
    evil.misbehaves = null
    hearth.advance(3_600_000)
    const third = await page({ from: second.end })
    assert.ok(third.chunk.length >= 12)
  })
})
