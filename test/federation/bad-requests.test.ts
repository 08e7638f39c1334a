/**
 * S47 towards other servers: each federation endpoint × each field × bad values, signed as they should be, so that the
 * values come as far as they can. No answer is 500 or more, and nothing that was taken stands in anybody's way after.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { eventIdOf } from '#core/event/hash.ts'
import { hashAndSignEvent, type Signer } from '#core/event/sign.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { ROOM_VERSIONS, type RoomVersionRules } from '#core/room-versions.ts'
import { type Mutation, mutations } from '#test/federation/harness/mutations.ts'
import { RemoteRoom } from '#test/federation/harness/remote-room.ts'
import { joinedRoom, type Scene, securityScene } from '#test/federation/harness/security-scene.ts'
import type { Reply } from '#test/federation/hostile-server.ts'
import { readEndpoints } from '#test/harness/operations.ts'
import { room } from '#test/system/harness/api.ts'
import { attemptsAt } from '#test/system/harness/attempts.ts'

const e = encodeURIComponent
const FEDERATION = '/_matrix/federation'
const AT_ONCE = 16
const TIMEOUT_MS = 240_000
const RULES = ROOM_VERSIONS.get('11') as RoomVersionRules

let scene: Scene
before(async () => {
  scene = await securityScene()
})
after(() => scene?.[Symbol.asyncDispose]())

type Attempt = { readonly method: string; readonly uri: string; readonly body?: string | Uint8Array }

/** Sends them all. Fails for answers of 500 and more, errors that aren't the standard one, and defects in the log. */
async function sendAll(test: TestContext, attempts: readonly Attempt[]): Promise<void> {
  const problems: string[] = []
  const statuses = new Map<number, number>()
  const send = async ({ method, uri, body }: Attempt) => {
    const what = `${method} ${uri.slice(0, 200)} ${String(body ?? '').slice(0, 300)}`
    const reply = await scene.evil.request(scene.hearth, method, uri, body).catch((error: unknown) => ({
      status: 999,
      body: String(error),
    }))
    statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1)
    if (!isHandled(reply)) problems.push(`${what} → ${reply.status} ${JSON.stringify(reply.body)}`)
  }
  for (let i = 0; i < attempts.length; i += AT_ONCE) await Promise.all(attempts.slice(i, i + AT_ONCE).map(send))
  const tally = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`)
  test.diagnostic(`${attempts.length} requests; ${tally.join(', ')}`)
  assert.deepEqual(problems.slice(0, 20), [], `${problems.length} problems`)
  assertNoDefects()
}

function isHandled({ status, body }: Reply): boolean {
  if (status < 400) return true
  return status < 500 && typeof body?.error === 'string' && /^M_[A-Z_]+$/.test(body.errcode)
}

function assertNoDefects(): void {
  const defects = scene.hearth.logged.splice(0).filter((line) => /"level":[56]0/.test(line))
  assert.deepEqual(defects.slice(0, 5), [])
}

/** An event as changed, hashed and signed anew where that can be done. */
function signed({ json, text }: Mutation, rules: RoomVersionRules, signer: Signer): { text: string; eventId: string } {
  try {
    const event = hashAndSignEvent(json as JsonObject, rules, signer)
    return { text: JSON.stringify(event), eventId: String(eventIdOf(event, rules)) }
  } catch {
    return { text, eventId: `$${'x'.repeat(43)}` }
  }
}

function unsignedOf(json: JsonObject): JsonObject {
  const { signatures: _signatures, hashes: _hashes, ...rest } = json as Record<string, JsonValue>
  return rest as JsonObject
}

describe('S47: no answer is 500 or more', () => {
  it('to questions', { timeout: TIMEOUT_MS }, async (test) => {
    const { alice, evil, hearth } = scene
    const roomId = await alice.createRoom({ preset: 'public_chat', room_version: '11' })
    await joinByHandshake(roomId, evil.user('mallory'))
    const eventId = await alice.send(roomId, 'hello')
    const known = {
      userId: alice.userId,
      params: {
        roomId,
        eventId,
        userId: evil.user('other'),
        serverName: hearth.serverName,
        queryType: 'profile',
        txnId: 'txn',
        event_id: eventId,
        v: eventId,
        latest_events: eventId,
        earliest_events: eventId,
        room_id: roomId,
        sender: evil.user('mallory'),
        state_key: alice.userId,
      },
    }
    const endpoints = (await readEndpoints()).filter(({ resource }) => resource === 'federation')
    assert.ok(endpoints.length > 28)
    const attempts = endpoints.flatMap(({ endpoint }) => {
      return attemptsAt(endpoint, known).map(({ path, body }) => {
        return { method: endpoint.method, uri: path, ...(body === null ? {} : { body }) }
      })
    })
    await sendAll(test, attempts)
    await assertUsable(roomId)
  })

  for (const action of ['join', 'leave', 'knock'] as const) {
    it(`to what is sent to ${action}`, { timeout: TIMEOUT_MS }, async (test) => {
      const { alice, evil } = scene
      const initial_state = [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }]
      const preset = action === 'knock' ? { initial_state } : { preset: 'public_chat' }
      const roomId = await alice.createRoom({ ...preset, room_version: '11' })
      if (action === 'leave') await joinByHandshake(roomId, evil.user('mallory'))
      const template = await templateOf(roomId, action, evil.user('mallory'))
      const changed = mutations({ ...unsignedOf(template), unsigned: { age: 1 } })
      const whole = mutations(hashAndSignEvent(template, RULES, evil.signer)).filter(({ name }) =>
        /^(signa|hashes)/.test(name),
      )
      const attempts = [...changed.map((one) => signed(one, RULES, evil.signer)), ...whole.map(asItIs)].flatMap(
        ({ text, eventId }) =>
          (action === 'knock' ? ['v1'] : ['v1', 'v2']).map((version) => {
            return {
              method: 'PUT',
              uri: `${FEDERATION}/${version}/send_${action}/${e(roomId)}/${e(eventId)}`,
              body: text,
            }
          }),
      )
      await sendAll(test, attempts)
      await assertUsable(roomId)
    })
  }

  for (const version of ['1', '12']) {
    it(`to invites to rooms of version ${version}`, { timeout: TIMEOUT_MS }, async (test) => {
      const { alice, evil } = scene
      const remote = new RemoteRoom(version, evil.user('mallory'), evil.signer, 'invite')
      const invite = remote.event({ type: 'm.room.member', stateKey: alice.userId, content: { membership: 'invite' } })
      const invite_room_state = remote.stateEvents.slice(0, 1).map(({ json }) => json as JsonValue)
      const body = { room_version: version, invite_room_state, event: invite.json as JsonValue }
      const uri = (v: string, eventId: string) => `${FEDERATION}/${v}/invite/${e(remote.roomId)}/${e(eventId)}`
      const around = mutations(body)
        .filter(({ name }) => !name.startsWith('event.'))
        .map(({ text }) => ({ method: 'PUT', uri: uri('v2', invite.eventId), body: text }))
      const within = mutations(unsignedOf(invite.json)).flatMap((one) => {
        const { text, eventId } = signed(one, remote.rules, evil.signer)
        const v2 = JSON.stringify({ ...body, event: 0 }).replace('"event":0', () => `"event":${text}`)
        return [
          { method: 'PUT', uri: uri('v2', eventId), body: v2 },
          { method: 'PUT', uri: uri('v1', eventId), body: text },
        ]
      })
      await sendAll(test, [...around, ...within])
      await alice.sync()
    })
  }

  it('to third-party invites', { timeout: TIMEOUT_MS }, async (test) => {
    const { alice, evil } = scene
    const roomId = await alice.createRoom({ room_version: '11' })
    const keys = { mxid: evil.user('invited'), token: 'token', signatures: { 'id.example': { 'ed25519:0': 'AAAA' } } }
    const content = { membership: 'invite', third_party_invite: { display_name: 'x', signed: keys } }
    const sender = alice.userId
    const body = { type: 'm.room.member', room_id: roomId, sender, state_key: evil.user('invited'), content }
    const uri = `${FEDERATION}/v1/exchange_third_party_invite/${e(roomId)}`
    await sendAll(
      test,
      mutations(body).map(({ text }) => ({ method: 'PUT', uri, body: text })),
    )
  })

  it('to ephemeral data', { timeout: TIMEOUT_MS }, async (test) => {
    const { evil } = scene
    const remote = await joinedRoom(scene)
    const edus = edusOf(remote.roomId, remote.creator).flatMap((edu) => mutations(edu))
    await sendAll(test, transactions('edus', edus.filter(isReadable).map(textOf), 100))
    // What can't be read costs itself alone, or its transaction.
    await sendAll(test, transactions('edus', edus.filter((one) => !isReadable(one)).map(textOf), 1))
    await assertUsable(remote.roomId)
    assert.equal((await evil.send(scene.hearth, [])).status, 200)
  })

  for (const version of ['5', '11']) {
    it(`to events of version ${version}, nor do those that are taken spoil their room`, { timeout: TIMEOUT_MS }, () =>
      sendEvents(version),
    )
  }
})

async function sendEvents(version: string): Promise<void> {
  const { evil, hearth } = scene
  const remote = await joinedRoom(scene, version)
  const send = ({ uri, body }: Attempt) => evil.request(hearth, 'PUT', uri, body)
  for (const [type, content] of STATE) {
    const good = unsignedOf(remote.event({ type, stateKey: '', content }).json)
    const all = mutations(good).filter(({ name }) => type === 'm.room.name' || name.startsWith('content'))
    // What two parsers could read differently costs itself alone, what is no JSON its transaction.
    for (const one of transactions('pdus', all.filter((bad) => !isReadable(bad)).map(textOf), 1)) {
      assert.equal((await send(one)).status, isJson(one.body) ? 200 : 400, one.body)
    }
    const readable = all.filter(isReadable).map((one) => signed(one, remote.rules, evil.signer).text)
    for (const one of transactions('pdus', readable, PDUS_AT_ONCE)) {
      const { status, body } = await send(one)
      assert.equal(status, 200, JSON.stringify(body))
      await merge(remote, body.pdus)
    }
    assertNoDefects()
  }
  await assertUsable(remote.roomId)
}

/** Few enough for one event that cites them all. */
const PDUS_AT_ONCE = 15

const textOf = ({ text }: Mutation) => text
const asItIs = ({ text, json }: Mutation) => {
  const eventId = json === null ? '$x' : String(eventIdOf(json, RULES))
  return { text, eventId }
}
function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
const isReadable = ({ json }: Mutation) => json !== null

let transactionsMade = 0
function transactions(kind: 'pdus' | 'edus', items: readonly string[], size: number) {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) => {
    transactionsMade += 1
    const list = items.slice(index * size, (index + 1) * size).join(',')
    const body = `{"origin":"evil.example","origin_server_ts":1,"${kind}":[${list}]}`
    return { method: 'PUT', uri: `${FEDERATION}/v1/send/bad${transactionsMade}`, body }
  })
}

/** An honest event on top of those that were taken, so that the room stays one line. */
async function merge(
  remote: RemoteRoom,
  answers: Readonly<Record<string, { readonly error?: string }>>,
): Promise<void> {
  const taken = Object.keys(answers).filter((eventId) => answers[eventId]?.error === undefined)
  const prev_events = [...remote.tips.map(({ eventId }) => eventId), ...taken].slice(0, 20)
  remote.add(remote.event({ json: { prev_events } }))
  await scene.evil.send(scene.hearth, [remote.timeline.at(-1)!.json])
}

/** The power levels come last, as the bad ones take away the power to send the others. */
const STATE: readonly (readonly [string, JsonObject])[] = [
  ['m.room.name', { name: 'name' }],
  ['m.room.topic', { topic: 'topic', 'm.topic': { 'm.text': [{ body: 'topic', mimetype: 'text/plain' }] } }],
  ['m.room.avatar', { url: 'mxc://a/b', info: { w: 1, h: 1 } }],
  ['m.room.canonical_alias', { alias: '#a:evil.example', alt_aliases: ['#b:evil.example'] }],
  ['m.room.server_acl', { allow: ['*'], deny: ['x'], allow_ip_literals: true }],
  ['m.room.guest_access', { guest_access: 'can_join' }],
  ['m.room.encryption', { algorithm: 'm.megolm.v1.aes-sha2', rotation_period_ms: 1 }],
  ['m.room.pinned_events', { pinned: ['$a'] }],
  ['m.room.tombstone', { body: 'gone', replacement_room: '!x:evil.example' }],
  ['m.space.child', { via: ['evil.example'], order: 'a', suggested: true }],
  ['m.room.third_party_invite', { display_name: 'a', public_key: 'AAAA', key_validity_url: 'x', public_keys: [{}] }],
  ['m.room.redaction', { redacts: '$x', reason: 'a' }],
  [
    'm.room.message',
    { body: 'b', 'm.relates_to': { rel_type: 'm.replace', event_id: '$a' }, 'm.mentions': { room: true } },
  ],
  ['m.room.history_visibility', { history_visibility: 'shared' }],
  ['m.room.join_rules', { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: '!x:y' }] }],
  [
    'm.room.member',
    { membership: 'invite', third_party_invite: { signed: { token: 'a', mxid: 'b', signatures: {} } } },
  ],
  ['m.room.member', { membership: 'join', join_authorised_via_users_server: '@mallory:evil.example' }],
  [
    'm.room.member',
    { membership: 'join', displayname: 'x', avatar_url: 'mxc://a/b', third_party_invite: { signed: {} } },
  ],
  ['m.room.power_levels', { ban: 50, events: { 'm.room.name': 50 }, notifications: { room: 50 }, users_default: 0 }],
]

function edusOf(room_id: string, user_id: string): JsonObject[] {
  const receipt = { data: { ts: 1, thread_id: 'main' }, event_ids: ['$a'] }
  const device = { user_id, device_id: 'D', stream_id: 1, prev_id: [], device_display_name: 'x', keys: {} }
  const message = { sender: user_id, type: 'm.x', message_id: 'm', messages: { [scene.alice.userId]: { '*': {} } } }
  const contents: readonly [string, JsonObject][] = [
    ['m.typing', { room_id, user_id, typing: true }],
    ['m.receipt', { [room_id]: { 'm.read': { [user_id]: receipt } } }],
    [
      'm.presence',
      { push: [{ user_id, presence: 'online', last_active_ago: 1, status_msg: 'x', currently_active: true }] },
    ],
    ['m.device_list_update', device],
    ['m.signing_key_update', { user_id, master_key: { keys: {} }, self_signing_key: { usage: ['x'] } }],
    ['m.direct_to_device', message],
  ]
  return contents.map(([edu_type, content]) => ({ edu_type, content }))
}

async function templateOf(roomId: string, action: string, userId: string): Promise<JsonObject> {
  const { evil, hearth } = scene
  const { status, body } = await evil.get(hearth, `${FEDERATION}/v1/make_${action}/${e(roomId)}/${e(userId)}?ver=11`)
  assert.equal(status, 200, JSON.stringify(body))
  return body.event
}

async function joinByHandshake(roomId: string, userId: string): Promise<void> {
  const { evil, hearth } = scene
  const event = hashAndSignEvent(await templateOf(roomId, 'join', userId), RULES, evil.signer)
  const uri = `${FEDERATION}/v2/send_join/${e(roomId)}/${e(eventIdOf(event, RULES))}`
  const reply = await evil.put(hearth, uri, event)
  assert.equal(reply.status, 200, JSON.stringify(reply.body))
}

/** Whatever was taken, the room can be read, and left. */
async function assertUsable(roomId: string): Promise<void> {
  const { alice } = scene
  await scene.hearth.services.federation.inbound.idle()
  const { rooms } = await alice.sync({ timeout: 0 })
  assert.ok(Object.hasOwn(rooms.join, roomId))
  await alice.history(roomId)
  for (const what of ['members', 'joined_members', 'state', 'aliases']) await alice.get(room(roomId, what))
  await alice.get(`/_matrix/client/v1/rooms/${e(roomId)}/hierarchy`)
  await alice.leave(roomId)
  await alice.sync({ timeout: 0 })
  assertNoDefects()
}
