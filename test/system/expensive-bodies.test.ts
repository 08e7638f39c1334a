/**
 * What the most expensive body that each endpoint accepts costs everybody else: the longest turn of the event loop that
 * it takes, in processor time of the main thread, so that a busy machine changes little. Of several tries the best one
 * counts, since a garbage collection or code that isn't compiled yet is nobody's body. Requests of other servers are
 * measured by `npm run bench -- --federation`.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { it } from 'node:test'
import type { Endpoint } from '#kit/endpoint.ts'
import { readEndpoints } from '#test/harness/operations.ts'
import { Api } from '#test/system/harness/api.ts'
import { expensiveBodies, type Setting, sessions } from '#test/system/harness/expensive-bodies.ts'
import { Hearth } from '#test/system/harness/hearth.ts'
import type { Slices } from '../../bench/federation/slices.ts'

const TURN_MS_MAX = 50
const TRIES = 5

const SLICES = join(import.meta.dirname, '../../bench/federation/slices.ts')

it('no body that an endpoint accepts holds the event loop for long', { timeout: 600_000 }, async (test) => {
  const endpoints = (await readEndpoints()).filter(
    ({ endpoint, resource }) => takesBody(endpoint) && resource === 'client',
  )
  const socket = join(import.meta.dirname, `../../slices-${process.pid}.sock`)
  await using hearth = await Hearth.start({
    nodeArguments: ['--import', SLICES],
    environment: { SLICES_SOCKET: socket },
  })
  const rows: { readonly name: string; readonly status: number; readonly kib: number; readonly ms: number }[] = []
  for (const [index, { endpoint }] of endpoints.entries()) {
    const setting = await settingOn(hearth.url, `user${index}`)
    const name = endpoint.spec ?? `${endpoint.method} ${endpoint.paths[0]}`
    for (const { what, make } of expensiveBodies(endpoint, setting)) {
      let best = { ms: Number.POSITIVE_INFINITY, status: 0, kib: 0 }
      for (let n = 0; n < TRIES; n++) {
        const { path, body } = make(n)
        await longestTurn(socket)
        const { status } = await setting.api.request(endpoint.method, path, { raw: body })
        const { cpuMs } = await longestTurn(socket)
        assert.ok(status !== 0 && status < 500, `${name}, ${what}: ${status}`)
        if (cpuMs < best.ms) best = { ms: cpuMs, status, kib: Math.round(Buffer.byteLength(body) / 1024) }
        if (n > 0 && best.ms < TURN_MS_MAX / 3) break
      }
      rows.push({ name: `${name}: ${what}`, ...best })
    }
  }
  for (const { name, status, kib, ms } of rows.toSorted((a, b) => b.ms - a.ms)) {
    test.diagnostic(`${ms.toFixed(1).padStart(6)} ms  ${String(kib).padStart(6)} KiB  ${status}  ${name}`)
  }
  const long = rows.filter(({ ms }) => ms > TURN_MS_MAX)
  assert.deepEqual(long, [], `turns of more than ${TURN_MS_MAX} ms`)
})

it('no answer holds the event loop for long, however much its user stores', { timeout: 600_000 }, async (test) => {
  const socket = join(import.meta.dirname, `../../answers-${process.pid}.sock`)
  await using hearth = await Hearth.start({
    nodeArguments: ['--import', SLICES],
    environment: { SLICES_SOCKET: socket },
  })
  const { api, version } = await settingOn(hearth.url, 'alice')
  await storeMuch(api, version)
  const e = encodeURIComponent
  const keys = `/_matrix/client/v3/room_keys/keys?version=${version}`
  const rows: { readonly path: string; readonly kib: number; readonly ms: number }[] = []
  const paths = ['/_matrix/client/v3/sync', keys, keys.replace('?', `/${e('!r1:x')}?`), '/_matrix/client/v3/pushrules/']
  for (const path of paths) {
    let best = { ms: Number.POSITIVE_INFINITY, kib: 0 }
    for (let n = 0; n < TRIES; n++) {
      await longestTurn(socket)
      const text = await textOf(api, path)
      const { cpuMs } = await longestTurn(socket)
      if (cpuMs < best.ms) best = { ms: cpuMs, kib: Math.round(Buffer.byteLength(text) / 1024) }
    }
    rows.push({ path, ...best })
  }
  for (const { path, kib, ms } of rows) test.diagnostic(`${ms.toFixed(1).padStart(6)} ms  ${kib} KiB  ${path}`)
  assert.ok(rows.some(({ kib }) => kib > 20_000))
  assert.deepEqual(
    rows.filter(({ ms }) => ms > TURN_MS_MAX),
    [],
  )
})

/** Account data up to its limit, 30 MB of backed-up keys, and many push rules. */
async function storeMuch(api: Api, version: string): Promise<void> {
  const e = encodeURIComponent
  for (let n = 0; n < 9; n++) {
    const body = Object.fromEntries(Array.from({ length: 15_000 }, (_, i) => [`key ${n} ${i}`, `${i}`.repeat(8)]))
    await api.ok('PUT', `/_matrix/client/v3/user/${e(api.userId)}/account_data/type${n}`, { body })
    for (let part = 0; part < 20; part++) {
      const body = JSON.stringify({ pad: 'x'.repeat(20_000) })
      await api.ok('PUT', `/_matrix/client/v3/user/${e(api.userId)}/rooms/${e(`!r${n}:x`)}/account_data/t${part}`, {
        raw: body,
      })
    }
  }
  for (let n = 0; n < 3; n++) {
    const body = { rooms: { [`!r${n}:x`]: { sessions: sessions(10_000, n) } } }
    await api.ok('PUT', `/_matrix/client/v3/room_keys/keys?version=${version}`, { body })
  }
  for (let n = 0; n < 500; n++) {
    await api.ok('PUT', `/_matrix/client/v3/pushrules/global/content/rule${n}`, {
      body: { actions: [], pattern: `word ${n}` },
    })
  }
}

async function textOf({ url, token }: Api, path: string): Promise<string> {
  const response = await fetch(url + path, { headers: { authorization: `Bearer ${token}` } })
  assert.equal(response.status, 200)
  const text = await response.text()
  assert.doesNotThrow(() => JSON.parse(text))
  return text
}

const takesBody = (endpoint: Endpoint) => endpoint.body !== null && endpoint.bodyFormat === 'json'

async function settingOn(url: string, name: string): Promise<Setting> {
  const api = await new Api(url).register(name)
  const roomId = await api.createRoom({})
  const { event_id: eventId } = await api.ok(
    'PUT',
    `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/m.x/1`,
    { body: {} },
  )
  const { version } = await api.ok('POST', '/_matrix/client/v3/room_keys/version', {
    body: { algorithm: 'a', auth_data: {} },
  })
  await api.ok('PUT', '/_matrix/client/v3/pushrules/global/override/rule', { body: { actions: [] } })
  return { api, roomId, eventId, version }
}

/** The longest turn of the server's event loop since the last look. */
async function longestTurn(socket: string): Promise<Slices> {
  const connection = connect(socket)
  const chunks: Buffer[] = []
  connection.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(connection, 'close')
  return JSON.parse(Buffer.concat(chunks).toString()) as Slices
}
