/** S20: whoever an EDU names as its actor is of the server that sent it; everything else is ignored. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { RemoteRoom } from '#test/federation/harness/remote-room.ts'
import { deliver, joinedRoom, type Scene, securityScene } from '#test/federation/harness/security-scene.ts'

let scene: Scene
before(async () => {
  scene = await securityScene()
})
after(() => scene?.[Symbol.asyncDispose]())

type Place = {
  readonly remote: RemoteRoom
  /** Of the server that sends. */
  readonly own: UserId
  /** Of another server, and of this one: both in the room. */
  readonly foreign: UserId
  readonly local: UserId
  /** Of the server that sends, and not in the room. */
  readonly outside: UserId
  readonly eventId: string
}

let users = 0

/** A room with users of three servers in it. */
async function place(): Promise<Place> {
  const { evil, other, alice } = scene
  const remote = await joinedRoom(scene)
  users += 1
  const own = evil.user(`own${users}`)
  const foreign = other.user(`foreign${users}`)
  const joins = [remote.member(own, 'join'), remote.member(foreign, 'join', foreign, other.signer)]
  const said = remote.send({ body: 'to be read' })
  await deliver(scene, remote, ...joins, said)
  return {
    remote,
    own,
    foreign,
    local: alice.userId as UserId,
    outside: evil.user(`outside${users}`),
    eventId: said.eventId,
  }
}

const edu = (edu_type: string, content: JsonObject): JsonObject => ({ edu_type, content })

async function ephemeral({ remote }: Place, type: string): Promise<JsonObject> {
  const { rooms } = await scene.alice.sync({ timeout: 0 })
  const events: { type: string; content: JsonObject }[] = rooms.join[remote.roomId].ephemeral.events
  return events.find((event) => event.type === type)?.content ?? {}
}

const typing = ({ remote }: Place, user_id: UserId) =>
  edu('m.typing', { room_id: remote.roomId, user_id, typing: true })

const receipt = (
  { remote, eventId }: Place,
  user: UserId,
  { type = 'm.read', event = eventId, room = remote.roomId } = {},
) => edu('m.receipt', { [room]: { [type]: { [user]: { data: { ts: 5 }, event_ids: [event] } } } })

const presence = (user_id: UserId) => edu('m.presence', { push: [{ user_id, presence: 'online', last_active_ago: 1 }] })

/** Users whose receipts alice is shown. */
async function readers(at: Place): Promise<string[]> {
  const content = (await ephemeral(at, 'm.receipt')) as Record<string, Record<string, JsonObject>>
  return Object.values(content).flatMap((byType) => Object.values(byType).flatMap((byUser) => Object.keys(byUser)))
}

describe('S20: what a server says of users', () => {
  it('typing: of its own who are in the room', async () => {
    const at = await place()
    const { evil, hearth } = scene
    const all = [at.foreign, at.local, at.outside, '@:evil.example' as UserId, at.own]
    await evil.send(
      hearth,
      [],
      all.map((user) => typing(at, user)),
    )
    assert.deepEqual((await ephemeral(at, 'm.typing'))['user_ids'], [at.own])
    const stop = edu('m.typing', { room_id: at.remote.roomId, user_id: at.own, typing: false })
    await scene.other.send(hearth, [], [stop])
    assert.deepEqual((await ephemeral(at, 'm.typing'))['user_ids'], [at.own])
    await evil.send(hearth, [], [stop])
    assert.deepEqual((await ephemeral(at, 'm.typing'))['user_ids'] ?? [], [])
  })

  it('receipts: public ones of its own who are in the room, for events of that room', async () => {
    const at = await place()
    const elsewhere = await place()
    const { evil, hearth } = scene
    const ignored = [
      receipt(at, at.foreign),
      receipt(at, at.local),
      receipt(at, at.outside),
      receipt(at, at.own, { type: 'm.read.private' }),
      receipt(at, at.own, { event: elsewhere.eventId }),
      receipt(at, at.own, { event: '$unknown' }),
      receipt(at, at.own, { room: elsewhere.remote.roomId, event: elsewhere.eventId }),
    ]
    for (const one of ignored) {
      await evil.send(hearth, [], [one])
      assert.deepEqual([...(await readers(at)), ...(await readers(elsewhere))], [], JSON.stringify(one))
    }
    await evil.send(hearth, [], [receipt(at, at.own)])
    assert.deepEqual(await readers(at), [at.own])
  })

  it('presence: of its own', async () => {
    const at = await place()
    const { evil, hearth, alice } = scene
    await evil.send(hearth, [], [presence(at.foreign), presence(at.own)])
    const status = async (user: string) => {
      return (await alice.get(`/_matrix/client/v3/presence/${encodeURIComponent(user)}/status`)).presence
    }
    assert.equal(await status(at.own), 'online')
    assert.equal(await status(at.foreign), 'offline')
  })

  it('nothing at all in a room that shuts it out', async () => {
    const at = await place()
    const { evil, other, hearth } = scene
    const foreign = { ...at, own: at.foreign }
    await other.send(hearth, [], [typing(foreign, at.foreign), receipt(foreign, at.foreign)])
    assert.deepEqual((await ephemeral(at, 'm.typing'))['user_ids'], [at.foreign])
    assert.deepEqual(await readers(at), [at.foreign])
    await deliver(scene, at.remote, at.remote.put('m.room.server_acl', { allow: ['*'], deny: ['other.example'] }))
    const said = at.remote.send({ body: 'later' })
    await deliver(scene, at.remote, said)
    const stop = edu('m.typing', { room_id: at.remote.roomId, user_id: at.foreign, typing: false })
    await other.send(hearth, [], [receipt(at, at.foreign, { event: said.eventId }), stop])
    await evil.send(hearth, [], [receipt(at, at.own, { event: said.eventId })])
    assert.deepEqual((await ephemeral(at, 'm.typing'))['user_ids'], [at.foreign])
    const content = await ephemeral(at, 'm.receipt')
    assert.deepEqual(Object.keys(content).toSorted(), [at.eventId, said.eventId].toSorted())
    assert.deepEqual(Object.keys((content[said.eventId] as JsonObject)['m.read'] as JsonObject), [at.own])
  })

  it('messages to devices and changes of devices: of its own', async () => {
    const at = await place()
    const { evil, hearth, alice } = scene
    const { next_batch: since } = await alice.sync({ timeout: 0 })
    const message = (sender: string, message_id: string) => {
      const messages = { [alice.userId]: { '*': { said: sender } } }
      return edu('m.direct_to_device', { sender, type: 'org.example.hello', message_id, messages })
    }
    const device = (user_id: string) => {
      return edu('m.device_list_update', {
        user_id,
        device_id: 'D',
        stream_id: 5,
        prev_id: [],
        device_display_name: 'x',
      })
    }
    const keys = (user_id: string) => {
      const self_signing_key = { user_id, usage: ['self_signing'], keys: { 'ed25519:AAAA': 'AAAA' } }
      return edu('m.signing_key_update', { user_id, self_signing_key })
    }
    const by = (user: string) => [message(user, `m${user}`), device(user), keys(user)]
    await evil.send(hearth, [], [...by(at.foreign), ...by(at.local)])
    const quiet = await alice.sync({ since, timeout: 0 })
    assert.deepEqual(quiet.to_device?.events ?? [], [])
    assert.deepEqual(quiet.device_lists?.changed ?? [], [])
    await evil.send(hearth, [], by(at.own))
    const told = await alice.sync({ since: quiet.next_batch, timeout: 0 })
    assert.deepEqual(
      told.to_device.events.map(({ sender }: { sender: string }) => sender),
      [at.own],
    )
    assert.deepEqual(told.device_lists.changed, [at.own])
  })

  it('in a transaction that names another server as its origin it says nothing', async () => {
    const at = await place()
    const { evil, hearth } = scene
    const body = { origin: 'other.example', origin_server_ts: 1, pdus: [], edus: [typing(at, at.own)] }
    const uri = `/_matrix/federation/v1/send/origin${at.own}`
    assert.equal((await evil.put(hearth, uri, body)).status, 403)
    assert.deepEqual(await ephemeral(at, 'm.typing'), {})
    assert.equal((await evil.put(hearth, uri, { ...body, origin: evil.serverName })).status, 200)
    assert.deepEqual((await ephemeral(at, 'm.typing'))['user_ids'], [at.own])
  })
})
