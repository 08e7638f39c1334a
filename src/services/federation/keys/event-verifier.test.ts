import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Event } from '#core/event/event.ts'
import { parseEvent } from '#core/event/parse-event.ts'
import { hashAndSignEvent, type Signer, signerFromSeed } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import { EventVerifier } from '#services/federation/keys/event-verifier.ts'
import type { KeyWant } from '#services/federation/keys/key-ring.ts'

const [a, b] = ['a.example', 'b.example'].map((name, i) =>
  signerFromSeed(name, '1', new Uint8Array(32).fill(i + 1)),
) as [Signer, Signer]
const KEYS = new Map<string, Signer>([a, b].map((signer) => [signer.name, signer]))

/** Knows the keys of a.example and b.example, valid up to 1000. */
function verifier() {
  const wanted: KeyWant[][] = []
  const keyRing = {
    async gather(wants: readonly KeyWant[]) {
      wanted.push([...wants])
      return {
        eventKeys: (server: ServerName, atTs: number | null) => (keyId: string) => {
          const signer = KEYS.get(server)
          return signer?.keyId === keyId && (atTs ?? 0) <= 1000 ? signer.publicKey : undefined
        },
      }
    },
  }
  return { verifier: new EventVerifier(keyRing), wanted }
}

const rulesOf = (version: string) => ROOM_VERSIONS.get(version)!

function message(signers: readonly Signer[], fields: JsonObject = {}, version = '11'): Event {
  const rules = rulesOf(version)
  const json = {
    type: 'm.room.message',
    sender: '@u:a.example',
    room_id: '!r:a.example',
    content: { body: 'x' },
    origin_server_ts: 1000,
    depth: 1,
    prev_events: [],
    auth_events: [],
    ...(rules.eventIdFormat === 'chosen' && { event_id: '$e:a.example' }),
    ...fields,
  }
  const signed = signers.reduce<JsonObject>((event, signer) => hashAndSignEvent(event, rules, signer), json)
  const parsed = parseEvent(signed, rules)
  assert.ok(parsed.ok)
  return parsed.event
}

describe('S6: a batch of events', () => {
  it('is judged event by event, in order', async () => {
    const good = message([a])
    const forged = { ...good, json: { ...good.json, sender: '@v:a.example' } }
    const unsigned = { ...good, json: { ...good.json, signatures: {} } }
    const events = [good, unsigned, message([b]), forged, message([a], { origin_server_ts: 1001 }), message([a, b])]
    const { verifier: subject, wanted } = verifier()
    const faults = await subject.verifyAll(events)
    assert.deepEqual(
      faults.map((fault) => fault?.verdict ?? null),
      [null, 'unsigned', 'unsigned', 'invalid', 'unknown key', null],
    )
    assert.ok(faults.every((fault) => fault === null || fault.server === 'a.example'))
    assert.equal(wanted.length, 1)
    assert.deepEqual(wanted[0]?.[0], { server: 'a.example', keyIds: ['ed25519:1'], atTs: 1000 })
  })

  it('needs every signature that the rules ask for', async () => {
    const join = {
      type: 'm.room.member',
      state_key: '@u:a.example',
      content: { membership: 'join', join_authorised_via_users_server: '@w:b.example' },
    }
    const { verifier: subject } = verifier()
    const faults = await subject.verifyAll([message([a, b], join), message([a], join), message([b], join)])
    assert.deepEqual(faults, [
      null,
      { server: 'b.example', verdict: 'unsigned' },
      { server: 'a.example', verdict: 'unsigned' },
    ])
  })

  it('takes keys of any time in room versions that don’t ask for one', async () => {
    const { verifier: subject, wanted } = verifier()
    const faults = await subject.verifyAll([
      message([a], { origin_server_ts: 5000 }, '4'),
      message([a], { origin_server_ts: 5000 }, '5'),
    ])
    assert.deepEqual(
      faults.map((fault) => fault?.verdict ?? null),
      [null, 'unknown key'],
    )
    assert.deepEqual(
      wanted[0]?.map(({ atTs }) => atTs),
      [null, 5000],
    )
  })

  it('leaves the event loop to others meanwhile', async () => {
    const event = message([a], { content: { body: 'x'.repeat(2_000) } })
    const { verifier: subject } = verifier()
    let longest = 0
    let last = performance.now()
    let running = true
    const watch = () => {
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
      if (running) setImmediate(watch)
    }
    watch()
    const faults = await subject.verifyAll(new Array<Event>(1_000).fill(event))
    running = false
    assert.ok(faults.every((fault) => fault === null))
    assert.ok(longest < 200, `${longest} ms`)
  })

  it('may be one event, by a server that its rules don’t ask for', async () => {
    const { verifier: subject } = verifier()
    assert.equal(await subject.verify(message([a, b]), 'b.example' as ServerName), 'valid')
    assert.equal(await subject.verify(message([a]), 'b.example' as ServerName), 'unsigned')
  })
})
