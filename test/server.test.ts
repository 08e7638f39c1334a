/** The composition root: listeners with and without TLS, what is served on each, the end. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { pino } from 'pino'
import { parseConfig } from '#config/load.ts'
import { type RunningServer, StartError, startServer } from '../src/server.ts'

const FIXTURES = join(import.meta.dirname, 'fixtures')
const QUIET = pino({ level: 'silent' })

let folder: string
let server: RunningServer

const start = (listeners: string, dataDir = 'data') =>
  startServer(
    parseConfig(`{ data_dir: ${dataDir}, listeners: ${listeners} }`, { source: 'test', folder, environment: {} }),
    {
      clock: Date.now,
      randomBytes,
      log: QUIET,
    },
  )

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-server-'))
  const tls = `{ cert: ${FIXTURES}/localhost.crt, key: ${FIXTURES}/localhost.key }`
  server = await start(
    `[{ port: 0 }, { port: 0, resources: [metrics] }, { port: 0, tls: ${tls}, resources: [client] }]`,
  )
})
after(async () => {
  await server.stop()
  rmSync(folder, { recursive: true })
})

const status = async (listener: number, path: string) => (await fetch(server.addresses[listener]!.url + path)).status

describe('listeners', () => {
  it('serve their resources, and health everywhere', async () => {
    assert.equal(await status(0, '/_matrix/client/versions'), 200)
    assert.equal(await status(0, '/metrics'), 404)
    assert.equal(await status(0, '/health'), 200)
    assert.equal(await status(1, '/_matrix/client/versions'), 404)
    assert.equal(await status(1, '/metrics'), 200)
    assert.equal(await status(1, '/health'), 200)
  })

  it('show the numbers of the process and of the requests', async () => {
    await status(0, '/_matrix/client/versions')
    const shown = await (await fetch(`${server.addresses[1]!.url}/metrics`)).text()
    for (const name of [
      'process_resident_memory_bytes',
      'nodejs_eventloop_lag_p99_seconds',
      'hearth_stream_position',
    ]) {
      assert.match(shown, new RegExp(`^${name} [0-9.e+-]+$`, 'm'))
    }
    assert.match(shown, /hearth_http_request_duration_seconds_count\{operation="getVersions",status="200"\} \d+/)
  })

  it('speak TLS where they are told to', async () => {
    const { url } = server.addresses[2]!
    assert.match(url, /^https:/)
    const ca = readFileSync(join(FIXTURES, 'localhost.crt'))
    const body = await new Promise<string>((resolve, reject) => {
      get(`${url}/health`, { ca }, (response) => resolve(text(response))).on('error', reject)
    })
    assert.equal(body, 'ok\n')
  })
})

describe('a start that fails', () => {
  it('names the setting, and leaves nothing listening', async () => {
    const taken = new URL(server.addresses[0]!.url).port
    await assert.rejects(start(`[{ port: 0 }, { port: ${taken} }]`, 'other'), (error) => {
      assert.ok(error instanceof StartError)
      assert.match(error.message, /^listeners\.1: /)
      return true
    })
    await assert.rejects(
      start('[{ port: 0, tls: { cert: nowhere.crt, key: k } }]', 'other'),
      /listeners\.0\.tls: .*nowhere\.crt/,
    )
  })
})

it('refuses a database in which another server name has accounts', async () => {
  const data = mkdtempSync(join(tmpdir(), 'hearth-server-'))
  const run = async (name: string, account?: string) => {
    const config = parseConfig(`{ server_name: ${name}, listeners: [{ port: 0 }] }`, {
      source: 'test',
      folder: data,
      environment: {},
    })
    await using server = await startServer(config, { clock: Date.now, randomBytes, log: QUIET })
    if (account !== undefined) {
      await server.services.accounts.createAccount({ localpart: account, password: 'x', admin: false })
    }
    return server.addresses.length
  }
  assert.equal(await run('first-thought.example'), 1)
  assert.equal(await run('one.example', 'alice'), 1)
  await assert.rejects(run('two.example'), { name: 'StartError', message: /^server_name: .*"one\.example"/ })
  assert.equal(await run('one.example'), 1)
  rmSync(data, { recursive: true })
})
