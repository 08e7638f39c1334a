/** The time of day jumps, forwards and back, while everything goes on: nothing breaks, and nothing waits for the jump to pass. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { RemoteRoom } from '#test/federation/harness/remote-room.ts'
import { arrives, serveRoom } from '#test/federation/harness/security-scene.ts'
import { TestCa } from '#test/federation/harness/test-ca.ts'
import { TlsHearth } from '#test/federation/harness/tls-hearth.ts'
import { HostileServer } from '#test/federation/hostile-server.ts'
import { type Api, room, V3 } from '#test/system/harness/api.ts'
import { freePort } from '#test/system/harness/free-port.ts'
import { until } from '#test/system/harness/until.ts'

const e = encodeURIComponent
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const POLL_MS = 300

let stack: AsyncDisposableStack
let evil: HostileServer
let hearth: TlsHearth
let alice: Api
let remote: RemoteRoom

before(async () => {
  stack = new AsyncDisposableStack()
  const ca = stack.use(new TestCa())
  evil = stack.use(await HostileServer.start('evil.example', ca))
  hearth = stack.use(
    await TlsHearth.start({
      serverName: 'hearth.example',
      ca,
      federationPort: await freePort(),
      others: { 'evil.example': evil.federationAddress },
      // The limits that a server has by default.
      config: { rate_limits: {}, presence: true },
    }),
  )
  evil.keys = { validUntilTs: Date.now() + 5 * DAY_MS }
  evil.on('PUT', '/v1/send/', () => ({ status: 200, body: { pdus: {} } }))
  alice = await hearth.user('alice')
  remote = new RemoteRoom('11', evil.user('mallory'), evil.signer)
  serveRoom(evil, remote)
  await alice.post(`${V3}/join/${e(remote.roomId)}?via=${evil.serverName}`)
})
after(() => stack?.disposeAsync())

const sent = (eventBody: string) =>
  evil
    .askedFor('/v1/send/')
    .some(({ body }) => body.pdus.some((pdu: { content: { body?: string } }) => pdu.content.body === eventBody))

async function say(body: string): Promise<void> {
  await alice.put(room(remote.roomId, 'send', 'm.room.message', body), { msgtype: 'm.text', body })
}

/** Everything that has to do with time, once. */
async function everythingWorks(name: string): Promise<void> {
  assert.equal((await alice.get(`${V3}/account/whoami`)).user_id, alice.userId)
  const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password: 'sesame' }
  const device = await alice.post(`${V3}/login`, login)
  assert.equal(typeof device.access_token, 'string')

  await say(name)
  await until(`${name} to be sent`, () => sent(name))
  const answer = remote.event({ content: { body: `answer to ${name}` } })
  assert.equal((await evil.send(hearth, [answer.json])).status, 200)
  remote.add(answer)
  await arrives(alice, remote.roomId, answer.eventId)

  const { next_batch } = await alice.get(`${V3}/sync`)
  await alice.put(room(remote.roomId, 'typing', alice.userId), { typing: true, timeout: POLL_MS })
  const started = await alice.get(`${V3}/sync`, { since: next_batch, timeout: 20_000 })
  assert.deepEqual(typists(started), [alice.userId])
  const ended = await alice.get(`${V3}/sync`, { since: started.next_batch, timeout: 20_000 })
  assert.deepEqual(typists(ended), [])
}

// biome-ignore lint/suspicious/noExplicitAny: answers of every shape
const typists = (sync: any) => sync.rooms.join[remote.roomId]?.ephemeral.events[0]?.content.user_ids

describe('a clock that jumps', () => {
  const JUMPS: readonly [string, number][] = [
    ['an hour ahead', HOUR_MS],
    ['an hour back', -HOUR_MS],
    ['a day ahead', DAY_MS],
    ['a day back', -DAY_MS],
    ['a day back again', -DAY_MS],
    ['two days ahead', 2 * DAY_MS],
  ]
  for (const [name, ms] of JUMPS) {
    it(`${name} holds up nothing`, { timeout: 60_000 }, async () => {
      const { next_batch } = await alice.get(`${V3}/sync`)
      const poll = alice.get(`${V3}/sync`, { since: next_batch, timeout: POLL_MS })
      hearth.advance(ms)
      await poll
      await everythingWorks(name)
    })

    it(`${name} while another server is away holds up nothing when it is back`, { timeout: 60_000 }, async () => {
      const body = `${name}, away`
      let refused = 0
      evil.misbehaves = (_request, response) => {
        refused += 1
        response.destroy()
      }
      await say(body)
      await until('a try to send', () => refused > 0)
      hearth.advance(ms)
      evil.misbehaves = null
      await until(`${body} to be sent`, () => sent(body))
      hearth.advance(-ms)
    })
  }

  it('left nothing broken', () => {
    assert.deepEqual(
      hearth.logged.filter((line) => /"level":[56]0/.test(line)),
      [],
    )
  })
})
