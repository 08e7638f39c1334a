/**
 * The other half of S47: whatever another server answers, one value wrong in an answer that is right otherwise, users get
 * an answer below 500 or are told that the other server failed, and nothing here breaks.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import type { UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { type Mutation, mutations } from '#test/federation/harness/mutations.ts'
import { RemoteRoom } from '#test/federation/harness/remote-room.ts'
import { joinAnswer, joinedRoom, type Scene, securityScene } from '#test/federation/harness/security-scene.ts'
import type { Asked, Reply } from '#test/federation/hostile-server.ts'
import { type Answer, room, V3 } from '#test/system/harness/api.ts'

const e = encodeURIComponent
const TIMEOUT_MS = 180_000
const AT_ONCE = 8
/** Those of the bad values that differ in what reads them. */
const VALUES = ['null', '-1', '1.5', '"a\\u0000b"', '[null]', '{}']

let scene: Scene
before(async () => {
  scene = await securityScene()
})
after(() => scene?.[Symbol.asyncDispose]())

type Attempt = { readonly name: string; act(): Promise<Answer> }

async function tryAll(test: TestContext, attempts: readonly Attempt[]): Promise<void> {
  const statuses = new Map<number, number>()
  const problems: string[] = []
  for (let i = 0; i < attempts.length; i += AT_ONCE) {
    const some = attempts.slice(i, i + AT_ONCE).map(async ({ name, act }) => {
      const { status, body } = await act()
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      // 502 and 504 say that the other server failed.
      if (status >= 500 && status !== 502 && status !== 504) problems.push(`${name}: ${status} ${JSON.stringify(body)}`)
    })
    await Promise.all(some)
  }
  const tally = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`)
  test.diagnostic(`${attempts.length} answers; ${tally.join(', ')}`)
  assert.deepEqual(problems.slice(0, 20), [], `${problems.length} problems`)
  assertNoDefects()
}

function assertNoDefects(): void {
  const defects = scene.hearth.logged.splice(0).filter((line) => /"level":[56]0/.test(line))
  assert.deepEqual(defects.slice(0, 5), [])
}

const text = (body: string): Reply => ({ status: 200, body })
const change = (good: JsonObject): Mutation[] => mutations(good, VALUES)

/** A template with one thing wrong, by each of which a new room is joined, left or knocked on. */
function templates(action: 'join' | 'knock', version: string): Attempt[] {
  const { evil, alice } = scene
  const make = () => new RemoteRoom(version, evil.user('mallory'), evil.signer, action === 'knock' ? 'knock' : 'public')
  const answer = (remote: RemoteRoom): JsonObject => {
    return { room_version: version, event: remote.template(alice.userId as UserId, action) }
  }
  return change(answer(make())).map(({ name }, index) => ({
    name: `make_${action} ${name}`,
    act() {
      const remote = make()
      const bad = change(answer(remote))[index]?.text ?? ''
      evil.on('GET', `/v1/make_${action}/${e(remote.roomId)}`, () => text(bad))
      evil.on('PUT', `/v2/send_join/${e(remote.roomId)}`, ({ body }: Asked) => {
        return { status: 200, body: joinAnswer(evil, remote, body) }
      })
      evil.on('PUT', `/v1/send_knock/${e(remote.roomId)}`, () => text('{"knock_room_state":[]}'))
      return enter(action, remote.roomId)
    },
  }))
}

/** Joins a new room by each bad variant of the answer to `send_join`. */
function joinAnswers(version: string, part: (answer: JsonObject) => readonly Mutation[]): Attempt[] {
  const { evil, alice } = scene
  const make = () => new RemoteRoom(version, evil.user('mallory'), evil.signer)
  const blank = make()
  const count = part(joinAnswer(evil, blank, blank.member(alice.userId as UserId, 'join').json)).length
  return Array.from({ length: count }, (_, index) => ({
    name: `send_join ${index}`,
    act() {
      const remote = make()
      evil.on('GET', `/v1/make_join/${e(remote.roomId)}`, () => ({
        status: 200,
        body: { room_version: version, event: remote.template(alice.userId as UserId, 'join') },
      }))
      evil.on('PUT', `/v2/send_join/${e(remote.roomId)}`, ({ body }: Asked) => {
        return text(part(joinAnswer(evil, remote, body))[index]?.text ?? '')
      })
      return enter('join', remote.roomId)
    },
  }))
}

function enter(action: 'join' | 'knock', roomId: string): Promise<Answer> {
  const via = `via=${scene.evil.serverName}&server_name=${scene.evil.serverName}`
  return scene.alice.request('POST', `${V3}/${action}/${e(roomId)}?${via}`, { body: {} })
}

/** Bad values everywhere but in the lists of events. */
const around = (answer: JsonObject) => change(answer).filter(({ name }) => !/^(state|auth_chain|event)\./.test(name))

describe('S47: a bad answer breaks nothing', () => {
  for (const version of ['5', '12']) {
    it(`to make_join in version ${version}`, { timeout: TIMEOUT_MS }, (test) =>
      tryAll(test, templates('join', version)),
    )

    it(`to send_join in version ${version}`, { timeout: TIMEOUT_MS }, async (test) => {
      await tryAll(test, joinAnswers(version, around))
      await scene.alice.sync()
    })
  }

  it('to make_knock', { timeout: TIMEOUT_MS }, (test) => tryAll(test, templates('knock', '11')))

  it('to questions of users', { timeout: TIMEOUT_MS }, async (test) => {
    const { evil, alice } = scene
    const remote = new RemoteRoom('11', evil.user('mallory'), evil.signer)
    const shown = {
      room_id: remote.roomId,
      name: 'x',
      topic: 'x',
      avatar_url: 'mxc://a/b',
      num_joined_members: 1,
      world_readable: true,
      guest_can_join: true,
      join_rule: 'public',
      room_type: 'm.space',
      canonical_alias: '#a:evil.example',
    }
    const child = {
      type: 'm.space.child',
      state_key: '!c:evil.example',
      sender: '@a:evil.example',
      origin_server_ts: 1,
    }
    const space = { ...shown, children_state: [{ ...child, content: { via: ['evil.example'], order: 'a' } }] }
    const F1 = '/v1'
    const questions: readonly [path: string, good: JsonObject, ask: () => Promise<Answer>][] = [
      [
        `${F1}/query/directory`,
        { room_id: remote.roomId, servers: ['evil.example'] },
        () => alice.request('GET', `${V3}/directory/room/${e('#a:evil.example')}`),
      ],
      [
        `${F1}/query/profile`,
        { displayname: 'x', avatar_url: 'mxc://a/b', 'm.tz': 'UTC' },
        () => alice.request('GET', `${V3}/profile/${e(evil.user('x'))}`),
      ],
      [
        `${F1}/publicRooms`,
        { chunk: [shown], next_batch: 'a', prev_batch: 'b', total_room_count_estimate: 1 },
        () => alice.request('GET', `${V3}/publicRooms?server=evil.example`),
      ],
      [
        `${F1}/hierarchy`,
        { room: space, children: [shown], inaccessible_children: ['!d:evil.example'] },
        () => alice.request('GET', `/_matrix/client/v1/rooms/${e(remote.roomId)}/hierarchy?via=evil.example`),
      ],
      [
        `${F1}/hierarchy`,
        { room: space, children: [], inaccessible_children: [] },
        () => alice.request('GET', `/_matrix/client/v1/room_summary/${e(remote.roomId)}?via=evil.example`),
      ],
    ]
    for (const [path, good, ask] of questions) {
      const bad: { now: string } = { now: '' }
      evil.on('GET', path, () => text(bad.now))
      evil.on('POST', path, () => text(bad.now))
      for (const { name, text } of [...change(good), { name: 'no JSON', text: '<html>' }]) {
        bad.now = text
        const { status, body } = await ask()
        assert.ok(status < 500 || status === 502, `${path} ${name}: ${status} ${JSON.stringify(body)}`)
      }
    }
    test.diagnostic('all kinds asked')
    assertNoDefects()
  })

  it('to what is asked about events', { timeout: TIMEOUT_MS }, async () => {
    const { evil, alice, hearth } = scene
    const remote = await joinedRoom(scene)
    const ids = remote.stateEvents.map(({ eventId }) => eventId)
    const answers: Readonly<Record<string, JsonObject>> = {
      get_missing_events: { events: [remote.event({}).json] },
      state_ids: { pdu_ids: ids, auth_chain_ids: ids },
      event: { origin: 'evil.example', origin_server_ts: 1, pdus: [remote.event({}).json] },
      backfill: { origin: 'evil.example', origin_server_ts: 1, pdus: [remote.stateEvents[0]!.json] },
    }
    for (const [what, good] of Object.entries(answers)) {
      for (const one of change(good).filter(
        ({ name }) => !name.startsWith('pdus.0.') && !name.startsWith('events.0.'),
      )) {
        for (const method of ['GET', 'POST']) evil.on(method, `/v1/${what}/`, () => text(one.text))
        await evil.send(hearth, [remote.event({ prevEvents: [remote.event({})] }).json])
        await hearth.services.federation.inbound.idle()
        await alice.get(room(remote.roomId, 'messages'), { dir: 'b', limit: 100 })
      }
      assertNoDefects()
    }
    const last = remote.event({})
    await evil.send(hearth, [last.json])
    assert.equal((await alice.request('GET', room(remote.roomId, 'event', last.eventId))).status, 200)
  })
})
