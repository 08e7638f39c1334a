/** S7, S8 over the wire: until when a key is believed for events and requests, and what this server shows of its own. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { decodeBase64 } from '#core/crypto.ts'
import { type Signer, signerFromSeed, verifyJson } from '#core/event/sign.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import type { RemoteRoom } from '#test/federation/harness/remote-room.ts'
import {
  deliver,
  forgerOf,
  isShown,
  joinedRoom,
  type Scene,
  securityScene,
} from '#test/federation/harness/security-scene.ts'

const DAY_MS = 86_400_000
/** Of the settings of TlsHearth. */
const PAUSE_MS_MAX = 200

let scene: Scene
before(async () => {
  scene = await securityScene()
})
after(() => scene?.[Symbol.asyncDispose]())

/** Whether an event by that key and of that time is shown in the end. */
async function isTaken(remote: RemoteRoom, signer: Signer, originServerTs: number): Promise<boolean> {
  // A server that was asked for a key in vain is left alone for a moment.
  scene.hearth.advance(PAUSE_MS_MAX)
  const event = remote.event({ signer, json: { origin_server_ts: originServerTs } })
  await deliver(scene, remote, event)
  return isShown(scene.alice, remote.roomId, event.eventId)
}

describe('S7: a key', () => {
  const old = signerFromSeed('evil.example', 'a_0', randomBytes(32))
  const expiredTs = Date.now() - 10 * DAY_MS

  for (const version of ['4', '5', '11']) {
    const isEnforced = version !== '4'
    it(`that is no longer in use is believed for what is older, in version ${version}`, async () => {
      scene.evil.keys = { old: [[old, expiredTs]] }
      const remote = await joinedRoom(scene, version)
      assert.equal(await isTaken(remote, old, expiredTs), true)
      assert.equal(await isTaken(remote, old, expiredTs + 1), !isEnforced)
    })

    it(`is believed until a week from now at the longest, in version ${version}`, async () => {
      scene.evil.keys = { validUntilTs: Date.now() + 30 * DAY_MS }
      const remote = await joinedRoom(scene, version)
      assert.equal(await isTaken(remote, scene.evil.signer, Date.now() + 6.9 * DAY_MS), true)
      assert.equal(await isTaken(remote, scene.evil.signer, Date.now() + 7.1 * DAY_MS), !isEnforced)
    })
  }

  it('that is no longer in use proves no request; the one in use does', async () => {
    const { evil, hearth } = scene
    evil.keys = { old: [[old, expiredTs]] }
    assert.equal((await evil.send(hearth, [], [], { signer: old })).status, 401)
    assert.equal((await evil.send(hearth, [])).status, 200)
  })

  it('that its server says has run out proves no request', async () => {
    const { other, hearth } = scene
    other.keys = { validUntilTs: Date.now() - 1 }
    assert.equal((await other.send(hearth, [])).status, 401)
  })

  it('that its server says is valid proves requests', async () => {
    const { evil, hearth } = scene
    evil.keys = { validUntilTs: Date.now() + DAY_MS }
    assert.equal((await evil.send(hearth, [])).status, 200)
  })
})

describe('S8: the key of this server', () => {
  it('is its own, published with its signature, and readable by its owner alone', async () => {
    // One whose clock no other test has moved.
    await using own = await securityScene()
    const { evil, hearth } = own
    const { status, body } = await evil.get(hearth, '/_matrix/key/v2/server', { authorization: null })
    assert.equal(status, 200)
    const [keyId] = Object.keys(body.verify_keys) as [string]
    const key = decodeBase64(body.verify_keys[keyId].key) as Uint8Array
    assert.equal(
      verifyJson(body, 'hearth.example', (id) => (id === keyId ? key : undefined)),
      'valid',
    )
    assert.ok(body.valid_until_ts > Date.now() && body.valid_until_ts <= Date.now() + 7 * DAY_MS)
    assert.equal(statSync(join(hearth.dataDir, 'signing.key')).mode & 0o777, 0o600)
    await using second = await securityScene()
    const other = await second.evil.get(second.hearth, '/_matrix/key/v2/server')
    assert.notDeepEqual(other.body.verify_keys, body.verify_keys)
  })
})

describe('documents of keys', () => {
  it('come in canonical form, under the path of a single key too', async () => {
    const { evil, hearth } = scene
    const get = async (path: string) => {
      const { status, body } = await evil.get(hearth, `/_matrix/key/v2/${path}`, { authorization: null })
      assert.equal(status, 200, path)
      // Members stand as they came.
      assert.equal(JSON.stringify(body), canonicalJson(body), path)
      return body
    }
    const whole = await get('server')
    assert.deepEqual(await get(`server/${Object.keys(whole.verify_keys)[0]}`), whole)
    assert.deepEqual(await get('server/ed25519%3Aunknown'), whole)
    await get('query/hearth.example')
    const body = { server_keys: { 'hearth.example': {} } }
    const many = await evil.request(hearth, 'POST', '/_matrix/key/v2/query', body, { authorization: null })
    assert.equal(JSON.stringify(many.body), canonicalJson(many.body))
  })
})

describe('a server that could not be reached', () => {
  it('is tried again as soon as it proves to be there, and not because somebody says so', async () => {
    const { evil, other, hearth } = scene
    evil.keys = {}
    other.keys = {}
    const { backOff } = hearth.services.federation
    const forger = forgerOf('evil.example')
    // From then on its key is known, and nobody has to be asked for it.
    assert.equal((await evil.send(hearth, [])).status, 200)
    for (const [what, send, isBack] of [
      ['without a signature', () => evil.send(hearth, [], [], { authorization: null }), false],
      ['with a key of its own that nobody published', () => evil.send(hearth, [], [], { signer: forger }), false],
      ['in the name of the first', () => other.send(hearth, [], [], { origin: evil.serverName }), false],
      ['for another server', () => evil.send(hearth, [], [], { destination: 'other.example' }), false],
      ['by another server for itself', () => other.send(hearth, []), false],
      ['as it should be', () => evil.send(hearth, []), true],
    ] as const) {
      backOff.reset(evil.serverName)
      backOff.failed(evil.serverName, 3_600_000)
      await send()
      assert.equal(backOff.failing(evil.serverName) === null, isBack, what)
    }
  })
})
