/** What other servers may put into rooms: S5, S6, S10, S11, S13, S16, S20, S40 to S43, S45, S55 over the wire. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { eventIdOf } from '#core/event/hash.ts'
import { hashAndSignEvent } from '#core/event/sign.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import type { RemoteRoom } from '#test/federation/harness/remote-room.ts'
import {
  arrives,
  deliver,
  forgerOf,
  isShown,
  joinedRoom,
  type Scene,
  securityScene,
} from '#test/federation/harness/security-scene.ts'
import { room, V3 } from '#test/system/harness/api.ts'

const e = encodeURIComponent

let scene: Scene
before(async () => {
  scene = await securityScene()
})
after(() => scene?.[Symbol.asyncDispose]())

const shown = (remote: RemoteRoom, eventId: string) => isShown(scene.alice, remote.roomId, eventId)

async function refusedPdu(remote: RemoteRoom, ...events: Parameters<typeof deliver>[2][]): Promise<void> {
  await deliver(scene, remote, ...events)
  for (const { eventId } of events) assert.equal(await shown(remote, eventId), false)
}

describe('a PDU that two parsers could read differently', () => {
  for (const [what, flaw] of [
    ['repeated keys', '"content":{"body":"one","body":"two"}'],
    ['half of a surrogate pair', '"content":{"body":"\\ud800"}'],
    ['half of a surrogate pair at the beginning', '"content":{"\\udc00x":1}'],
  ]) {
    it(`with ${what} costs itself alone`, async () => {
      const remote = await joinedRoom(scene)
      const flawed = JSON.stringify(remote.event({ content: {} }).json).replace('"content":{}', flaw ?? '')
      const event = remote.event({ content: { body: 'honest' } })
      remote.add(event)
      const body = `{"edus":[],"origin":"evil.example","origin_server_ts":1,"pdus":[${flawed},${JSON.stringify(event.json)}]}`
      const { status, body: answer } = await scene.evil.request(
        scene.hearth,
        'PUT',
        `/_matrix/federation/v1/send/flawed-${e(what ?? '')}`,
        body,
      )
      assert.deepEqual([status, answer], [200, { pdus: { [event.eventId]: {} } }])
      await arrives(scene.alice, remote.roomId, event.eventId)
    })
  }

  it('costs itself alone in an answer too', async () => {
    const remote = await joinedRoom(scene)
    const missed = remote.send({ body: 'missed' })
    const last = remote.send({ body: 'last' })
    scene.evil.on('POST', `/v1/get_missing_events/${e(remote.roomId)}`, () => ({
      status: 200,
      body: `{"events":[{"type":"a","type":"b"},${JSON.stringify(missed.json)}]}`,
    }))
    await scene.evil.send(scene.hearth, [last.json])
    await arrives(scene.alice, remote.roomId, last.eventId)
    assert.ok(await shown(remote, missed.eventId))
  })
})

describe('S5, S6: signatures', () => {
  it('an honest event is taken', async () => {
    const remote = await joinedRoom(scene)
    const event = remote.send({ body: 'honest' })
    await deliver(scene, remote, event)
    assert.ok(await shown(remote, event.eventId))
  })

  it('one by a key that is not published is dropped', async () => {
    const remote = await joinedRoom(scene)
    await refusedPdu(remote, remote.event({ signer: forgerOf('evil.example') }))
  })

  it("one of another server's user, signed by the sender of the transaction, is dropped", async () => {
    const remote = await joinedRoom(scene)
    await deliver(
      scene,
      remote,
      remote.member(scene.other.user('x'), 'join', scene.other.user('x'), scene.other.signer),
    )
    await refusedPdu(remote, remote.event({ sender: scene.other.user('x') }))
  })

  it('one whose signature was taken away is dropped', async () => {
    const remote = await joinedRoom(scene)
    const event = remote.event({})
    await refusedPdu(remote, { ...event, json: { ...event.json, signatures: {} } })
  })

  it('one that was changed on its way is shown without what was changed', async () => {
    const remote = await joinedRoom(scene)
    const event = remote.event({ content: { body: 'true' } })
    await deliver(scene, remote, { ...event, json: { ...event.json, content: { body: 'false' } } })
    const answer = await scene.alice.request('GET', room(remote.roomId, 'event', event.eventId))
    if (answer.status === 200) assert.equal(answer.body.content.body, undefined)
  })

  it('S5: events that fill a gap are checked as all others are', async () => {
    const remote = await joinedRoom(scene)
    const forged = remote.event({ content: { body: 'forged' }, signer: forgerOf('evil.example') })
    const honest = remote.send({ body: 'honest' })
    const last = remote.add(remote.event({ content: { body: 'last' }, prevEvents: [honest, forged] }))
    scene.evil.on('POST', `/v1/get_missing_events/${e(remote.roomId)}`, () => {
      return { status: 200, body: { events: [honest.json, forged.json] } }
    })
    serveStateIds(remote)
    await scene.evil.send(scene.hearth, [last.json])
    await arrives(scene.alice, remote.roomId, last.eventId)
    assert.ok(await shown(remote, honest.eventId))
    assert.equal(await shown(remote, forged.eventId), false)
  })
})

function serveStateIds(remote: RemoteRoom): void {
  const chain = remote.authChain(remote.stateEvents).map(({ eventId }) => eventId)
  const state = remote.stateEvents.map(({ eventId }) => eventId)
  scene.evil.on('GET', `/v1/state_ids/${e(remote.roomId)}`, () => {
    return { status: 200, body: { pdu_ids: state, auth_chain_ids: chain } }
  })
}

describe('S6, S45: server ACLs', () => {
  it('events of a server that is shut out are dropped, whoever brings them', async () => {
    const remote = await joinedRoom(scene)
    const { evil, other, hearth } = scene
    remote.member(other.user('x'), 'join', other.user('x'), other.signer)
    const before = remote.send({ body: 'before' }, other.user('x'), other.signer)
    remote.put('m.room.server_acl', { allow: ['*'], deny: ['other.example'] })
    const after = remote.event({ sender: other.user('x'), signer: other.signer })
    await deliver(scene, remote, ...remote.timeline.slice(-3))
    assert.ok(await shown(remote, before.eventId))
    await evil.send(hearth, [after.json])
    await other.send(hearth, [after.json])
    await deliver(scene, remote)
    assert.equal(await shown(remote, after.eventId), false)
  })
})

describe('S9, S10, S11, S13: authorisation', () => {
  it('a user without power changes nothing', async () => {
    const remote = await joinedRoom(scene)
    const eve = scene.evil.user('eve')
    remote.member(eve, 'join')
    await deliver(scene, remote, remote.timeline.at(-1)!)
    const topic = { type: 'm.room.topic', stateKey: '', content: { topic: 'mine' } }
    await refusedPdu(remote, remote.event({ ...topic, sender: eve }))
    const honest = remote.put('m.room.topic', { topic: 'ours' })
    await deliver(scene, remote, honest)
    assert.equal((await scene.alice.get(room(remote.roomId, 'state', 'm.room.topic'))).topic, 'ours')
  })

  it('S10: auth events of another room are refused', async () => {
    const remote = await joinedRoom(scene)
    const foreign = await joinedRoom(scene)
    await refusedPdu(remote, remote.event({ authEvents: [...foreign.stateEvents.slice(0, 3)] }))
  })

  it('S10: previous events of another room are refused', async () => {
    const remote = await joinedRoom(scene)
    const foreign = await joinedRoom(scene)
    await refusedPdu(remote, remote.event({ prevEvents: foreign.tips }))
  })

  it('S11: what a refused event authorises is refused', async () => {
    const remote = await joinedRoom(scene)
    const eve = scene.evil.user('eve')
    remote.member(eve, 'join')
    await deliver(scene, remote, remote.timeline.at(-1)!)
    const content = { users: { [remote.creator]: 100, [eve]: 100 } }
    const refused = remote.event({ type: 'm.room.power_levels', stateKey: '', sender: eve, content })
    const honestAuth = remote.stateEvents.filter(({ type, stateKey }) => type === 'm.room.create' || stateKey === eve)
    const topic = { type: 'm.room.topic', stateKey: '', sender: eve, content: { topic: 'eve was here' } }
    const follows = remote.event({ ...topic, authEvents: [...honestAuth, refused] })
    await refusedPdu(remote, refused, follows)
  })

  it('S11: a refused event is built upon by nobody here, and handed on to nobody', async () => {
    const { alice, evil, hearth } = scene
    const remote = await joinedRoom(scene)
    const eve = evil.user('eve')
    await deliver(scene, remote, remote.member(eve, 'join'))
    const topic = { type: 'm.room.topic', stateKey: '', content: { topic: 'mine' } }
    const refused = remote.event({ ...topic, sender: eve })
    const accepted = remote.put('m.room.topic', { topic: 'ours' })
    await deliver(scene, remote, refused, accepted)
    // The room's own events may cite it all the same.
    const onTop = remote.add(remote.event({ prevEvents: [...remote.tips, refused] }))
    await deliver(scene, remote, onTop)

    const said = await alice.send(remote.roomId, 'hello')
    const one = async (eventId: string) => evil.get(hearth, `/_matrix/federation/v1/event/${e(eventId)}`)
    const ours = (await one(said)).body.pdus[0]
    assert.ok(!ours.prev_events.includes(refused.eventId) && !ours.auth_events.includes(refused.eventId))
    assert.equal((await one(accepted.eventId)).status, 200)
    assert.equal((await one(refused.eventId)).status, 404)
    const idsOf = (pdus: JsonObject[]) => pdus.map((pdu) => eventIdOf(pdu, remote.rules) as string)
    const back = await evil.get(hearth, `/_matrix/federation/v1/backfill/${e(remote.roomId)}?v=${e(said)}&limit=20`)
    const body = { earliest_events: [], latest_events: [said], limit: 20 }
    const missing = `/_matrix/federation/v1/get_missing_events/${e(remote.roomId)}`
    const between = await evil.request(hearth, 'POST', missing, body)
    for (const ids of [idsOf(back.body.pdus), idsOf(between.body.events)]) {
      assert.ok(ids.includes(onTop.eventId) && ids.includes(accepted.eventId))
      assert.ok(!ids.includes(refused.eventId))
    }
    const state = `/_matrix/federation/v1/state/${e(remote.roomId)}?event_id=${e(said)}`
    assert.ok(!idsOf((await evil.get(hearth, state)).body.pdus).includes(refused.eventId))
    const { rooms } = await alice.sync({ timeout: 0 })
    const { timeline } = rooms.join[remote.roomId]
    assert.ok(timeline.events.every(({ event_id }: { event_id: string }) => event_id !== refused.eventId))
  })

  it('S13: version 12 takes no create event among auth events', async () => {
    const remote = await joinedRoom(scene, '12')
    const create = remote.stateEvents.find(({ type }) => type === 'm.room.create')!
    const honest = remote.event({})
    const auth = remote.stateEvents.filter(({ eventId }) => honest.authEvents.includes(eventId))
    await refusedPdu(remote, remote.event({ authEvents: [create, ...auth] }))
  })
})

describe('S16: redactions', () => {
  it('of another server’s message need power; by the sender’s own server they don’t', async () => {
    const remote = await joinedRoom(scene)
    const eve = scene.evil.user('eve')
    remote.member(eve, 'join')
    const own = remote.send({ body: 'of mallory' })
    await deliver(scene, remote, ...remote.timeline.slice(-2))
    const said = await scene.alice.send(remote.roomId, 'of alice')
    const redact = (target: string) => ({ type: 'm.room.redaction', sender: eve, content: { redacts: target } })
    await deliver(scene, remote, remote.add(remote.event(redact(said))), remote.add(remote.event(redact(own.eventId))))
    const body = async (eventId: string) => {
      return (await scene.alice.get(room(remote.roomId, 'event', eventId))).content.body
    }
    assert.equal(await body(said), 'of alice')
    assert.equal(await body(own.eventId), undefined)
  })
})

describe('S20: EDUs name only users of the server that sends them', () => {
  it('typing', async () => {
    const remote = await joinedRoom(scene)
    const { evil, other, hearth } = scene
    remote.member(other.user('x'), 'join', other.user('x'), other.signer)
    await deliver(scene, remote, remote.timeline.at(-1)!)
    const typing = (userId: string): JsonObject => {
      return { edu_type: 'm.typing', content: { room_id: remote.roomId, user_id: userId, typing: true } }
    }
    await evil.send(hearth, [], [typing(other.user('x')), typing(remote.creator)])
    const { rooms } = await scene.alice.sync({ timeout: 0 })
    const events: JsonObject[] = rooms.join[remote.roomId].ephemeral.events
    const content = events.find(({ type }) => type === 'm.typing')?.['content'] as JsonObject | undefined
    assert.deepEqual(content?.['user_ids'], [remote.creator])
  })
})

describe('transactions', () => {
  const transaction = (body: string) => {
    const uri = `/_matrix/federation/v1/send/raw${process.hrtime.bigint()}`
    return scene.evil.request(scene.hearth, 'PUT', uri, body)
  }
  const envelope = (pdus: readonly JsonValue[], edus: readonly JsonValue[] = []) => {
    return JSON.stringify({ origin: 'evil.example', origin_server_ts: Date.now(), pdus, edus })
  }

  it('S40, S41: one bad event fails none of the others', async () => {
    const remote = await joinedRoom(scene)
    const bad = [{ depth: -1 }, { depth: 'deep' }, { content: null }, { sender: 'nobody' }, { type: 7 }].map((json) => {
      const honest = remote.event({})
      return { ...honest.json, ...json } as JsonValue
    })
    const honest = remote.send({ body: 'among bad ones' })
    const reply = await transaction(envelope([...bad, null, 7, [], honest.json as JsonValue]))
    assert.equal(reply.status, 200, JSON.stringify(reply.body))
    assert.deepEqual(reply.body.pdus[honest.eventId], {})
    await arrives(scene.alice, remote.roomId, honest.eventId)
  })

  it('S42: the greatest depth does not stop the room', async () => {
    const remote = await joinedRoom(scene)
    const deep = remote.add(remote.event({ json: { depth: Number.MAX_SAFE_INTEGER } }))
    await scene.evil.send(scene.hearth, [deep.json])
    await arrives(scene.alice, remote.roomId, deep.eventId)
    const said = await scene.alice.send(remote.roomId, 'after the deepest')
    assert.ok(await shown(remote, said))
  })

  it('S43: what is no JSON is refused as a whole', async () => {
    for (const body of ['{"pdus":[NaN]}', '{"pdus":[Infinity]}', '{']) {
      assert.equal((await transaction(body)).status, 400, body)
    }
  })

  it('50 events and 100 EDUs are taken, one more of either is refused', async () => {
    assert.equal((await transaction(envelope(Array(50).fill({})))).status, 200)
    assert.equal((await transaction(envelope([], Array(100).fill({})))).status, 200)
    assert.equal((await transaction(envelope(Array(51).fill({})))).status, 400)
    assert.equal((await transaction(envelope([], Array(101).fill({})))).status, 400)
  })

  it('the same transaction again gets the same answer, and does nothing', async () => {
    const remote = await joinedRoom(scene)
    const event = remote.send({ body: 'once' })
    const body = { origin: 'evil.example', origin_server_ts: 1, pdus: [event.json as JsonValue], edus: [] }
    const put = () => scene.evil.put(scene.hearth, `/_matrix/federation/v1/send/same${event.eventId.slice(1, 9)}`, body)
    const [first, second] = [await put(), await put()]
    assert.deepEqual(second, first)
    const { chunk } = await scene.alice.get(room(remote.roomId, 'messages'), { dir: 'b' })
    assert.equal(chunk.filter(({ event_id }: { event_id: string }) => event_id === event.eventId).length, 1)
  })

  it('unsigned, signed by another, or meant for another, it is refused', async () => {
    const { evil, other, hearth } = scene
    for (const disguise of [
      { authorization: null },
      { origin: 'other.example' },
      { signer: other.signer },
      { destination: 'other.example' },
      { signer: forgerOf('evil.example') },
    ]) {
      const { status } = await evil.send(hearth, [], [], disguise)
      assert.equal(status, 401, JSON.stringify(Object.keys(disguise)))
    }
    assert.equal((await evil.send(hearth, [])).status, 200)
  })
})

describe('S55: what one event may cost', () => {
  it('asks for missing events at most ten times, then for the state', async () => {
    const remote = await joinedRoom(scene)
    const chain = Array.from({ length: 300 }, (_, index) => remote.send({ body: `hidden ${index}` }))
    const last = remote.send({ body: 'shown' })
    scene.evil.on('POST', `/v1/get_missing_events/${e(remote.roomId)}`, ({ body }) => {
      assert.ok(body.limit <= 20)
      const at = Math.min(
        ...body.latest_events
          .map((id: string) => chain.findIndex(({ eventId }) => eventId === id))
          .map((index: number) => {
            return index === -1 ? chain.length : index
          }),
      )
      const events = chain.slice(Math.max(0, at - 20), at).map(({ json }) => json)
      return { status: 200, body: { events } }
    })
    serveStateIds(remote)
    await scene.evil.send(scene.hearth, [last.json])
    await arrives(scene.alice, remote.roomId, last.eventId)
    const asked = scene.evil.askedFor(`/v1/get_missing_events/${e(remote.roomId)}`).length
    assert.ok(asked >= 1 && asked <= 10, `asked ${asked} times`)
    await scene.alice.post(`${V3}/rooms/${e(remote.roomId)}/leave`)
  })
})

describe('an event that is too large', () => {
  it('is dropped; one at the limit is taken', async () => {
    const remote = await joinedRoom(scene)
    const sized = (bytes: number) => {
      const small = remote.event({ content: { body: '' } })
      const missing = bytes - Buffer.byteLength(JSON.stringify(small.json))
      const { hashes: _h, signatures: _s, ...rest } = small.json as Record<string, JsonValue>
      const json = hashAndSignEvent({ ...rest, content: { body: 'x'.repeat(missing) } }, remote.rules, remote.signer)
      return remote.event({
        content: (json as { content: JsonObject }).content,
        json: rest.origin_server_ts === undefined ? {} : { origin_server_ts: rest.origin_server_ts },
      })
    }
    const fits = sized(65_536)
    assert.equal(Buffer.byteLength(JSON.stringify(fits.json)), 65_536)
    await refusedPdu(remote, sized(65_537))
    const again = remote.add(sized(65_536))
    await deliver(scene, remote, again)
    assert.ok(await shown(remote, again.eventId))
  })
})
