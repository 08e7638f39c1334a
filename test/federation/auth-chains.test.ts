/** Events whose authority isn't here, sent by a server that gives it in one way only, in part, or without end. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Event } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import type { RemoteRoom } from '#test/federation/harness/remote-room.ts'
import { arrives, deliver, joinedRoom, type Scene, securityScene } from '#test/federation/harness/security-scene.ts'
import type { Asked, Reply } from '#test/federation/hostile-server.ts'

const e = encodeURIComponent
const REFUSED: Reply = { status: 404, body: { errcode: 'M_NOT_FOUND', error: 'Not here' } }

let scene: Scene
before(async () => {
  scene = await securityScene()
})
after(() => scene?.[Symbol.asyncDispose]())

const jsonOf = (events: readonly Event[]) => events.map(({ json }) => json)
const idsOf = (events: readonly Event[]) => events.map(({ eventId }) => eventId)

/** What the server gives of its room; what isn't set is refused. */
type Gives = { readonly chain?: readonly Event[]; readonly single?: boolean; readonly state?: 'ids' | 'whole' }

/**
 * A room in which somebody joins by the authority of a leave that Hearth has never seen, nor the join before that, and so
 * on for so many levels.
 */
async function longChain(levels: number): Promise<{ remote: RemoteRoom; join: Event; chain: readonly Event[] }> {
  const remote = await joinedRoom(scene)
  await deliver(scene, remote)
  const tips = remote.tips
  const state = remote.stateEvents
  const bob = scene.evil.user('bob')
  const chain = Array.from({ length: levels }, (_, n) => remote.member(bob, n % 2 === 0 ? 'join' : 'leave'))
  assert.equal(levels % 2, 0)
  const content = { membership: 'join' }
  const join = remote.event({ type: 'm.room.member', stateKey: bob, sender: bob, content, prevEvents: tips })
  statesOf.set(remote, state)
  return { remote, join, chain }
}

const statesOf = new WeakMap<RemoteRoom, readonly Event[]>()

function give(remote: RemoteRoom, join: Event, { chain, single = false, state }: Gives): void {
  const { evil } = scene
  const before = statesOf.get(remote) ?? []
  const all = [...before, ...remote.authChain([join])]
  const answer = (body: object): Reply => ({ status: 200, body })
  evil.on('GET', `/v1/event_auth/${e(remote.roomId)}`, () =>
    chain === undefined ? REFUSED : answer({ auth_chain: jsonOf(chain) }),
  )
  evil.on('GET', '/v1/event/', ({ path }: Asked) => {
    const event = single ? remote.byId(path[2] as EventId) : undefined
    return event === undefined ? REFUSED : answer({ pdus: [event.json] })
  })
  evil.on('GET', `/v1/state_ids/${e(remote.roomId)}`, () =>
    state === undefined ? REFUSED : answer({ pdu_ids: idsOf(before), auth_chain_ids: idsOf(all) }),
  )
  evil.on('GET', `/v1/state/${e(remote.roomId)}`, () =>
    state === 'whole' ? answer({ pdus: jsonOf(before), auth_chain: jsonOf(all) }) : REFUSED,
  )
}

async function taken({ remote, join }: { remote: RemoteRoom; join: Event }): Promise<void> {
  await scene.evil.send(scene.hearth, [join.json])
  await arrives(scene.alice, remote.roomId, join.eventId)
}

describe('an event whose authority is not here', () => {
  it('is taken by the chain that its server gives', async () => {
    const room = await longChain(6)
    give(room.remote, room.join, { chain: room.remote.authChain([room.join]) })
    await taken(room)
  })

  it('is taken where the chain is refused, by single events, each by the authority of the one before', async () => {
    const room = await longChain(6)
    give(room.remote, room.join, { single: true })
    await taken(room)
  })

  it('is taken where the chain lacks its older half', async () => {
    const room = await longChain(6)
    give(room.remote, room.join, { chain: room.chain.slice(3), single: true })
    await taken(room)
  })

  it('is taken by the ids of the state, where the chain is longer than single questions go', async () => {
    const room = await longChain(40)
    give(room.remote, room.join, { single: true, state: 'ids' })
    await taken(room)
  })

  it('is taken by the state, where single events are refused too', async () => {
    const room = await longChain(6)
    give(room.remote, room.join, { state: 'whole' })
    await taken(room)
  })

  it('costs a bounded number of requests where each one leads to another that nobody has seen', async () => {
    const room = await longChain(400)
    give(room.remote, room.join, { single: true })
    const { evil, hearth } = scene
    const before = evil.askedFor('/v1/event/').length
    await evil.send(hearth, [room.join.json])
    await hearth.services.federation.inbound.idle()
    const count = evil.askedFor('/v1/event/').length - before
    assert.ok(count > 1 && count <= 100, `${count} requests`)
  })
})
