/** What other servers may make this one sign or believe when somebody joins, knocks, leaves or is invited: S1 to S4, S14, S46. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { eventIdOf } from '#core/event/hash.ts'
import { hashAndSignEvent } from '#core/event/sign.ts'
import type { UserId } from '#core/ids.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import { RemoteRoom } from '#test/federation/harness/remote-room.ts'
import { forgerOf, type Scene, securityScene, serveRoom } from '#test/federation/harness/security-scene.ts'
import type { Reply } from '#test/federation/hostile-server.ts'
import { room, V3 } from '#test/system/harness/api.ts'

const e = encodeURIComponent
const FEDERATION = '/_matrix/federation'

let scene: Scene
before(async () => {
  scene = await securityScene()
})
after(() => scene?.[Symbol.asyncDispose]())

/** An invite of a Hearth user by the hostile server, with parts changed. */
function inviteOf(remote: RemoteRoom, target: string, json: JsonObject = {}, signer = remote.signer) {
  return remote.event({
    type: 'm.room.member',
    stateKey: target,
    content: { membership: 'invite' },
    json,
    signer,
  })
}

function stripped(remote: RemoteRoom): JsonValue[] {
  return remote.stateEvents.map(({ json }) => json as JsonValue)
}

function sendInvite(
  remote: RemoteRoom,
  event: { readonly eventId: string; readonly json: JsonObject },
  more: JsonObject = {},
  path: { roomId?: string; eventId?: string } = {},
): Promise<Reply> {
  const { evil, hearth } = scene
  const uri = `${FEDERATION}/v2/invite/${e(path.roomId ?? remote.roomId)}/${e(path.eventId ?? event.eventId)}`
  const body = {
    event: event.json as JsonValue,
    room_version: remote.rules.version,
    invite_room_state: stripped(remote),
    ...more,
  }
  return evil.put(hearth, uri, body)
}

/** The same in the old form. */
function sendOldInvite(
  remote: RemoteRoom,
  { eventId, json }: { readonly eventId: string; readonly json: JsonObject },
  _more: JsonObject = {},
  path: { roomId?: string; eventId?: string } = {},
): Promise<Reply> {
  const uri = `${FEDERATION}/v1/invite/${e(path.roomId ?? remote.roomId)}/${e(path.eventId ?? eventId)}`
  return scene.evil.put(scene.hearth, uri, { ...json, unsigned: { invite_room_state: stripped(remote) } } as JsonValue)
}

function invitingRoom(version = '11'): RemoteRoom {
  const remote = new RemoteRoom(version, scene.evil.user('mallory'), scene.evil.signer, 'invite')
  serveRoom(scene.evil, remote)
  return remote
}

describe('S1: a template of another server never decides what is signed', () => {
  const BENT: Readonly<Record<string, JsonObject>> = {
    'another type': {
      type: 'm.room.power_levels',
      state_key: '',
      content: { users: { '@mallory:evil.example': 100 } },
    },
    'another sender': { sender: '@bob:hearth.example' },
    'another state key': { state_key: '@bob:hearth.example' },
    'another room': { room_id: '!elsewhere:evil.example' },
    'another membership': { content: { membership: 'ban' } },
    'more content': { content: { membership: 'join', displayname: 'the admin', 'org.example.x': 1 } },
    'another time': { origin_server_ts: 1 },
  }
  for (const action of ['join', 'knock', 'leave'] as const) {
    for (const [name, bent] of Object.entries(BENT)) {
      it(`${action} with ${name}`, async () => {
        const { evil, alice } = scene
        const remote = new RemoteRoom('11', evil.user('mallory'), evil.signer, action === 'knock' ? 'knock' : 'invite')
        serveRoom(evil, remote)
        const invite = inviteOf(remote, alice.userId)
        if (action !== 'knock') {
          assert.equal((await sendInvite(remote, invite)).status, 200)
          remote.add(invite)
        }
        evil.on('GET', `/v1/make_${action}/${e(remote.roomId)}`, () => {
          return {
            status: 200,
            body: { room_version: '11', event: { ...remote.template(alice.userId as UserId, action), ...bent } },
          }
        })
        await act(action, remote.roomId)
        const version = action === 'knock' ? 'v1' : 'v2'
        for (const { body } of evil.askedFor(`/${version}/send_${action}/${e(remote.roomId)}`)) {
          assert.equal(body.type, 'm.room.member')
          assert.equal(body.sender, alice.userId)
          assert.equal(body.state_key, alice.userId)
          assert.equal(body.room_id, remote.roomId)
          assert.equal(body.content.membership, action)
          assert.equal(body.content['org.example.x'], undefined)
          assert.notEqual(body.content.displayname, 'the admin')
          assert.ok(body.origin_server_ts > 1)
        }
      })
    }
  }

  it('an honest template is signed', async () => {
    const { evil, alice } = scene
    const remote = new RemoteRoom('11', evil.user('mallory'), evil.signer)
    serveRoom(evil, remote)
    const reply = await act('join', remote.roomId)
    assert.equal(reply.status, 200, JSON.stringify(reply.body))
    assert.equal(evil.askedFor(`/v2/send_join/${e(remote.roomId)}`).at(-1)?.body.sender, alice.userId)
  })
})

function act(action: 'join' | 'knock' | 'leave', roomId: string) {
  const via = `via=${scene.evil.serverName}&server_name=${scene.evil.serverName}`
  const path = action === 'leave' ? room(roomId, 'leave') : `${V3}/${action}/${e(roomId)}?${via}`
  return scene.alice.request('POST', path, { body: {} })
}

describe('S2: an invite is signed only if it is one of our user by the server that sends it', () => {
  const isSigned = ({ body }: Reply) => {
    const { event } = (Array.isArray(body) ? body[1] : body) ?? {}
    return event?.signatures?.['hearth.example'] !== undefined
  }

  for (const version of ['1', '6', '11', '12']) {
    it(`an honest invite in version ${version}`, async () => {
      const remote = invitingRoom(version)
      const reply = await sendInvite(remote, inviteOf(remote, scene.alice.userId))
      assert.equal(reply.status, 200, JSON.stringify(reply.body))
      assert.ok(isSigned(reply))
    })
  }

  it('an honest invite in the old form', async () => {
    const remote = invitingRoom('1')
    const reply = await sendOldInvite(remote, inviteOf(remote, scene.alice.userId))
    assert.equal(reply.status, 200, JSON.stringify(reply.body))
    assert.ok(isSigned(reply))
  })

  const alice = '@alice:hearth.example'
  const refused = (name: string, attempt: (remote: RemoteRoom, send: typeof sendInvite) => Promise<Reply>) => {
    for (const [form, version, send] of [
      ['', '11', sendInvite],
      [', in the old form', '1', sendOldInvite],
    ] as const) {
      it(`${name}${form}`, async () => {
        const reply = await attempt(invitingRoom(version), send)
        assert.ok(reply.status === 400 || reply.status === 403, `${reply.status} ${JSON.stringify(reply.body)}`)
        assert.ok(!isSigned(reply))
      })
    }
  }

  refused('of another type', (remote, send) => {
    return send(remote, inviteOf(remote, alice, { type: 'm.room.power_levels' }))
  })
  refused('with another membership', (remote, send) => {
    return send(remote, inviteOf(remote, alice, { content: { membership: 'join' } }))
  })
  refused("of somebody else's user", (remote, send) => send(remote, inviteOf(remote, '@x:other.example')))
  refused("by somebody else's user", (remote, send) => {
    return send(remote, inviteOf(remote, alice, { sender: '@x:other.example' }, scene.other.signer))
  })
  refused('S3: for another room', (remote, send) => {
    return send(remote, inviteOf(remote, alice), {}, { roomId: '!other:evil.example' })
  })
  refused('S3: under another event id', (remote, send) => {
    const eventId = remote.rules.version === '1' ? '$another:evil.example' : `$${'x'.repeat(43)}`
    return send(remote, inviteOf(remote, alice), {}, { eventId })
  })
  refused('S4: signed with a key that is not published', (remote, send) => {
    return send(remote, inviteOf(remote, alice, {}, forgerOf('evil.example')))
  })
  it('of a room version that does not exist', async () => {
    const remote = invitingRoom()
    const reply = await sendInvite(remote, inviteOf(remote, alice), { room_version: 'org.example.99' })
    assert.deepEqual([reply.status, reply.body.errcode], [400, 'M_INCOMPATIBLE_ROOM_VERSION'])
  })
})

describe('S46: state that comes with an invite', () => {
  for (const [name, state] of Object.entries<JsonValue>({
    null: null,
    'no list': { a: 1 },
    'more than 100 entries': Array.from({ length: 101 }, () => ({
      type: 'x',
      state_key: '',
      sender: '@a:b',
      content: {},
    })),
    'no events': [null, 1, 'x'],
  })) {
    it(`${name}: neither believed nor in the way of /sync`, async () => {
      const remote = invitingRoom()
      const reply = await sendInvite(remote, inviteOf(remote, scene.alice.userId), { invite_room_state: state })
      assert.ok(reply.status < 500, JSON.stringify(reply.body))
      await scene.alice.sync()
    })
  }
})

describe('S14: an invite to a room of version 12 proves the room', () => {
  it('without its create event it is refused', async () => {
    const remote = invitingRoom('12')
    const invite = inviteOf(remote, scene.alice.userId)
    const without = stripped(remote).filter((event) => (event as JsonObject)['type'] !== 'm.room.create')
    const reply = await sendInvite(remote, invite, { invite_room_state: without })
    assert.equal(reply.status, 400, JSON.stringify(reply.body))
  })

  it('with the create event of another room it is refused', async () => {
    const remote = invitingRoom('12')
    const invite = inviteOf(remote, scene.alice.userId)
    const reply = await sendInvite(remote, invite, { invite_room_state: stripped(invitingRoom('12')) })
    assert.equal(reply.status, 400, JSON.stringify(reply.body))
  })
})

describe('S14: a knock on a room of version 12 shows what is proved to be of that room', () => {
  /** What alice is shown of a room that she knocked on, whose server tells her this state. */
  async function shown(told: (remote: RemoteRoom) => JsonValue): Promise<string[]> {
    const { evil, alice } = scene
    const remote = new RemoteRoom('12', evil.user('mallory'), evil.signer, 'knock')
    remote.put('m.room.name', { name: 'Hall' })
    serveRoom(evil, remote)
    evil.on('PUT', `/v1/send_knock/${e(remote.roomId)}`, () => {
      return { status: 200, body: { knock_room_state: told(remote) } }
    })
    const { status, body } = await act('knock', remote.roomId)
    assert.equal(status, 200, JSON.stringify(body))
    const { events } = (await alice.sync({ timeout: 0 })).rooms.knock[remote.roomId].knock_state
    const ofOthers = events.filter(({ state_key }: { state_key: string }) => state_key !== alice.userId)
    for (const event of ofOthers)
      assert.deepEqual(Object.keys(event).sort(), ['content', 'sender', 'state_key', 'type'])
    return ofOthers.map(({ type }: { type: string }) => type).sort()
  }
  const isOf = (type: string) => (event: JsonValue) => (event as JsonObject)['type'] === type
  const bare = (event: JsonValue) => {
    const { type, state_key, sender, content } = event as Record<string, JsonValue>
    return { type, state_key, sender, content } as JsonObject
  }

  it('all that is told with its create event', async () => {
    const types = ['m.room.create', 'm.room.name']
    assert.deepEqual(
      await shown((remote) => stripped(remote).filter((event) => types.some((type) => isOf(type)(event)))),
      types,
    )
  })

  for (const [name, told] of Object.entries<(remote: RemoteRoom) => JsonValue>({
    'without its create event': (remote) => stripped(remote).filter(isOf('m.room.name')),
    'with that of another room': (remote) => {
      const foreign = stripped(invitingRoom('12')).filter(isOf('m.room.create'))
      return [...foreign, ...stripped(remote).filter(isOf('m.room.name'))]
    },
    'of events that are not whole': (remote) => stripped(remote).map(bare),
    'that is none': () => null,
  })) {
    it(`nothing of a state ${name}`, async () => assert.deepEqual(await shown(told), []))
  }

  it('nothing that its server has not signed', async () => {
    const types = await shown((remote) => {
      const by = forgerOf('evil.example')
      const name = remote.event({ type: 'm.room.topic', stateKey: '', content: { topic: 'forged' }, signer: by })
      return [...stripped(remote).filter((event) => !isOf('m.room.member')(event)), name.json as JsonValue]
    })
    assert.ok(types.includes('m.room.name') && !types.includes('m.room.topic'), types.join())
  })
})

describe('S3, S4: what is sent to join, knock or leave is what the path and the sender say', () => {
  const rules = ROOM_VERSIONS.get('11')!

  async function ownRoom(joinRule: string): Promise<string> {
    const content = { join_rule: joinRule }
    const initial_state = [{ type: 'm.room.join_rules', state_key: '', content }]
    return scene.alice.createRoom({ room_version: '11', initial_state })
  }

  async function template(roomId: string, action: string, userId: string): Promise<JsonObject> {
    const uri = `${FEDERATION}/v1/make_${action}/${e(roomId)}/${e(userId)}?ver=11`
    const { status, body } = await scene.evil.get(scene.hearth, uri)
    assert.equal(status, 200, JSON.stringify(body))
    return body.event
  }

  type Change = { json?: JsonObject; signer?: 'forger' | 'other'; roomId?: string; eventId?: string }

  async function attempt(
    action: 'join' | 'knock' | 'leave',
    version: string,
    { json, signer, ...path }: Change,
  ): Promise<Reply> {
    const { evil, other, hearth } = scene
    const roomId = await ownRoom(action === 'knock' ? 'knock' : 'public')
    const userId = evil.user('mallory')
    if (action === 'leave') assert.equal((await handshake('join', roomId, userId)).status, 200)
    const unsigned = { ...(await template(roomId, action, userId)), ...json }
    const by = signer === 'forger' ? forgerOf('evil.example') : signer === 'other' ? other.signer : evil.signer
    const event = hashAndSignEvent(unsigned, rules, by)
    const eventId = path.eventId ?? viewId(event)
    const uri = `${FEDERATION}/${version}/send_${action}/${e(path.roomId ?? roomId)}/${e(eventId)}`
    return evil.put(hearth, uri, event)
  }

  async function handshake(action: 'join', roomId: string, userId: string): Promise<Reply> {
    const event = hashAndSignEvent(await template(roomId, action, userId), rules, scene.evil.signer)
    return scene.evil.put(scene.hearth, `${FEDERATION}/v2/send_${action}/${e(roomId)}/${e(viewId(event))}`, event)
  }

  function viewId(json: JsonObject): string {
    return eventIdOf(json, rules)
  }

  for (const [action, version] of [
    ['join', 'v2'],
    ['join', 'v1'],
    ['knock', 'v1'],
    ['leave', 'v2'],
    ['leave', 'v1'],
  ] as const) {
    it(`${action} (${version}): as it should be`, async () => {
      const reply = await attempt(action, version, {})
      assert.equal(reply.status, 200, JSON.stringify(reply.body))
    })
    for (const [name, change] of Object.entries<Change>({
      'another room in the path': { roomId: '!elsewhere:hearth.example' },
      'another event id in the path': { eventId: `$${'y'.repeat(43)}` },
      'another room in the event': { json: { room_id: '!elsewhere:hearth.example' } },
      'a user of another server': {
        json: { sender: '@x:other.example', state_key: '@x:other.example' },
        signer: 'other',
      },
      'a state key that is not the sender': { json: { state_key: '@alice:hearth.example' } },
      'another membership': { json: { content: { membership: 'ban' } } },
      'another type': { json: { type: 'm.room.topic' } },
      'a signature by an unpublished key': { signer: 'forger' },
      'no signature of its server': { signer: 'other' },
    })) {
      it(`${action} (${version}): ${name} is refused`, async () => {
        const reply = await attempt(action, version, change)
        assert.ok(reply.status >= 400 && reply.status < 500, `${reply.status} ${JSON.stringify(reply.body)}`)
      })
    }
  }
})
