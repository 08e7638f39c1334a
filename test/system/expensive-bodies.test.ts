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
import { expensiveBodies, type Setting } from '#test/system/harness/expensive-bodies.ts'
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
