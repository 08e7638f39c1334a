/**
 * What the most expensive requests of another server cost everybody else: the longest turn of the event loop that each
 * takes, in processor time of the main thread. Of several tries the best one counts.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Endpoint } from '#kit/endpoint.ts'
import { TestCa } from '#test/federation/harness/test-ca.ts'
import { HostileServer } from '#test/federation/hostile-server.ts'
import { readEndpoints } from '#test/harness/operations.ts'
import { fillings } from '#test/system/harness/expensive-bodies.ts'
import { HEARTH_NAME, MeasuredHearth } from '../../bench/federation/measured-hearth.ts'

const TURN_MS_MAX = 50
const TRIES = 6
const NAME = 'hostile.example'

const list = <T>(count: number, entry: (n: number) => T) => Array.from({ length: count }, (_, n) => entry(n))
const map = <T>(count: number, entry: (n: number) => [string, T]) => Object.fromEntries(list(count, entry))

/** Bodies of an endpoint's own lists, by operation. */
const SPECIAL: Readonly<Record<string, readonly [what: string, body: object][]>> = {
  getMissingPreviousEvents: [
    ['events', { earliest_events: list(200_000, (n) => `$a${n}`), latest_events: list(200_000, (n) => `$b${n}`) }],
  ],
  queryPublicRooms: [['room types', { filter: { room_types: list(400_000, (n) => `t${n}`) } }]],
  sendTransaction: [
    ['PDUs', transaction({ pdus: list(50, (n) => ({ ...pdu(n), content: map(3_500, (k) => [`key ${k}`, k]) })) })],
    ['too many PDUs', transaction({ pdus: list(40_000, pdu) })],
    [
      'long lists in PDUs',
      transaction({ pdus: list(12, (n) => ({ ...pdu(n), prev_events: list(30_000, (i) => `$${i}`) })) }),
    ],
    ['messages to devices', transaction({ edus: list(10, messages) })],
    ['receipts', transaction({ edus: [{ edu_type: 'm.receipt', content: map(16_000, receipts) }] })],
    ['presence', transaction({ edus: [{ edu_type: 'm.presence', content: { push: list(60_000, presence) } }] })],
  ],
  claimUserEncryptionKeys: [
    ['users', { one_time_keys: map(10_000, (n) => [`@u${n}:${HEARTH_NAME}`, { D: 'signed_curve25519' }]) }],
  ],
  queryUserEncryptionKeys: [['users', { device_keys: map(10_000, (n) => [`@u${n}:${HEARTH_NAME}`, []]) }]],
}

function transaction(more: object): object {
  return { origin: NAME, origin_server_ts: 1, pdus: [], ...more }
}

function pdu(n: number): object {
  return { type: 'm.x', room_id: `!r${n}:x`, sender: `@a:${NAME}`, prev_events: [], auth_events: [], depth: n }
}

function messages(n: number): object {
  const devices = map(16_000, (k) => [`D${k}`, {}])
  const content = { sender: `@a:${NAME}`, type: 't', message_id: `${n}`, messages: { [`@u:${HEARTH_NAME}`]: devices } }
  return { edu_type: 'm.direct_to_device', content }
}

function receipts(n: number): [string, object] {
  return [`!r${n}:x`, { 'm.read': { [`@a:${NAME}`]: { event_ids: ['$a'], data: { ts: 1 } } } }]
}

function presence(n: number): object {
  return { user_id: `@a${n}:${NAME}`, presence: 'online', last_active_ago: 1 }
}

it('no request of another server holds the event loop for long', { timeout: 600_000 }, async (test) => {
  await using opened = new AsyncDisposableStack()
  const ca = opened.use(new TestCa())
  const server = opened.use(await HostileServer.start(NAME, ca))
  const hearth = opened.use(await MeasuredHearth.start(ca, [server]))
  const rows: { readonly name: string; readonly status: number; readonly kib: number; readonly ms: number }[] = []
  for (const { endpoint } of (await readEndpoints()).filter(({ endpoint }) => takesBody(endpoint))) {
    const name = endpoint.spec ?? (endpoint.paths[0] as string)
    // Before its endpoint matters, a body is parsed and its signature checked: that is the same for all of them.
    const general = endpoint.spec === 'sendTransaction' ? fillings(endpoint.bodyBytesMax, 0) : []
    for (const [what, body] of [...general, ...(SPECIAL[endpoint.spec ?? ''] ?? [])]) {
      const text = JSON.stringify({ ...REQUIRED[endpoint.spec ?? ''], ...body })
      let best = { ms: Number.POSITIVE_INFINITY, status: 0 }
      for (let n = 0; n < TRIES; n++) {
        await hearth.slices()
        const { status } = await server.request(hearth, endpoint.method, pathOf(endpoint, n), Buffer.from(text))
        const { cpuMs } = await hearth.slices()
        assert.ok(status < 500, `${name}, ${what}: ${status}`)
        assert.notEqual(status, 401, `${name}, ${what}`)
        if (cpuMs < best.ms) best = { ms: cpuMs, status }
        if (n > 0 && best.ms < TURN_MS_MAX / 2) break
      }
      rows.push({ name: `${name}: ${what}`, kib: Math.round(Buffer.byteLength(text) / 1024), ...best })
    }
  }
  for (const { name, status, kib, ms } of rows.toSorted((a, b) => b.ms - a.ms)) {
    test.diagnostic(`${ms.toFixed(1).padStart(6)} ms  ${String(kib).padStart(6)} KiB  ${status}  ${name}`)
  }
  assert.deepEqual(
    rows.filter(({ ms }) => ms > TURN_MS_MAX),
    [],
    `turns of more than ${TURN_MS_MAX} ms`,
  )
})

const takesBody = (endpoint: Endpoint) => endpoint.auth === 'server' && endpoint.body !== null

/** Members that a body needs to be looked at. */
const REQUIRED: Readonly<Record<string, object>> = {
  getMissingPreviousEvents: { earliest_events: [], latest_events: [] },
  sendInviteV2: { room_version: '11', event: {} },
  sendTransaction: transaction({}),
  exchangeThirdPartyInvite: { type: 'm.room.member', room_id: '!r:x', sender: '@a:x', state_key: '@b:x', content: {} },
  claimUserEncryptionKeys: { one_time_keys: {} },
  queryUserEncryptionKeys: { device_keys: {} },
}

function pathOf({ paths }: Endpoint, n: number): string {
  const params: Readonly<Record<string, string>> = {
    roomId: '!r:x',
    eventId: '$e',
    txnId: `txn${n}x${performance.now()}`,
  }
  return (paths[0] as string).replaceAll(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(params[name] ?? 'x'))
}
