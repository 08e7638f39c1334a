/** Two servers over real HTTPS on loopback: keys, signed requests, the check of the command line. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pino } from 'pino'
import { stringify } from 'yaml'
import { parseConfig } from '#config/load.ts'
import { verifyJson } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import { isJsonObject, type JsonObject, member } from '#core/json/value.ts'
import { type Authority, makeAuthority } from '#test/harness/certificates.ts'
import { freePort } from '#test/system/harness/free-port.ts'
import { runCommand } from '../../src/cli/run-command.ts'
import { type RunningServer, startServer } from '../../src/server.ts'

const [A, B] = ['a.example', 'b.example'] as [ServerName, ServerName]

let authority: Authority
let folder: string
const configs = new Map<ServerName, string>()
const servers = new Map<ServerName, RunningServer>()
const clock = Date.now

before(async () => {
  authority = makeAuthority()
  folder = mkdtempSync(join(tmpdir(), 'hearth-link-'))
  const ports = new Map([A, B].map((name) => [name, 0]))
  for (const name of ports.keys()) ports.set(name, await freePort())
  for (const [name, port] of ports) {
    const { certFile, keyFile } = authority.issue([name])
    const settings = {
      server_name: name,
      data_dir: join(folder, name),
      listeners: [{ host: '127.0.0.1', port, tls: { cert: certFile, key: keyFile }, resources: ['federation'] }],
      federation: {
        server_overrides: Object.fromEntries([...ports].map(([other, otherPort]) => [other, `127.0.0.1:${otherPort}`])),
        ca_file: authority.caFile,
        allow_ip_ranges: ['127.0.0.0/8'],
        retry: { base_ms: 1, max_ms: 1 },
      },
    }
    const file = join(folder, `${name}.yaml`)
    writeFileSync(file, stringify(settings))
    configs.set(name, file)
    const config = parseConfig(stringify(settings), { source: name, folder, environment: {} })
    servers.set(name, await startServer(config, { clock, randomBytes, log: pino({ level: 'silent' }) }))
  }
})
after(async () => {
  for (const server of servers.values()) await server.stop()
  authority[Symbol.dispose]()
  rmSync(folder, { recursive: true })
})

const link = (name: ServerName) => servers.get(name)!.services.federation

describe('two servers', () => {
  it('know each other’s keys, and believe what is signed with them', async () => {
    const { signer } = { signer: link(A).ownKeys.rows()[0]! }
    const keys = await link(B).keyRing.requestKeys(A, [signer.keyId])
    assert.deepEqual(keys.get(signer.keyId), signer.key)
  })

  it('vouch for each other’s keys', async () => {
    const reply = await link(A).client.request({
      destination: B,
      method: 'POST',
      uri: '/_matrix/key/v2/query',
      body: { server_keys: { [A]: {}, [B]: {} } },
    })
    assert.ok(reply.outcome === 'answered' && isJsonObject(reply.json))
    const answers = member(reply.json, 'server_keys') as readonly JsonObject[]
    assert.deepEqual(answers.map((answer) => member(answer, 'server_name')).sort(), [A, B])
    const keyOfB = link(B).ownKeys.rows()[0]!
    for (const answer of answers) {
      assert.equal(
        verifyJson(answer, B, (keyId) => (keyId === keyOfB.keyId ? keyOfB.key : undefined)),
        'valid',
      )
    }
    const got = await link(A).client.request({ destination: B, method: 'GET', uri: `/_matrix/key/v2/query/${A}` })
    assert.equal(got.outcome, 'answered')
    const refused = await link(A).client.request({ destination: B, method: 'GET', uri: '/_matrix/key/v2/query/a_b' })
    assert.equal(refused.outcome === 'refused' && refused.errcode, 'M_INVALID_PARAM')
  })

  it('say what they are', async () => {
    const reply = await link(A).client.request({ destination: B, method: 'GET', uri: '/_matrix/federation/v1/version' })
    assert.ok(reply.outcome === 'answered' && isJsonObject(reply.json))
    assert.match(JSON.stringify(reply.json), /^\{"server":\{"name":"Hearth","version":"\d+\.\d+\.\d+"\}\}$/)
  })
})

describe('hearth federation check', () => {
  async function check(...args: string[]) {
    const printed: string[] = []
    const code = await runCommand(['federation', 'check', ...args, '--config', configs.get(A)!], {
      environment: {},
      print: (line) => printed.push(line),
      complain: (line) => printed.push(line),
      readInput: async () => '',
    })
    return { code, out: printed.join('\n') }
  }

  it('finds nothing wrong with a server that is right', async () => {
    const { code, out } = await check(B)
    assert.equal(code, 0, out)
    for (const step of ['override', 'tls', 'version', 'keys', 'signed request']) {
      assert.match(out, new RegExp(`^ok +${step} `, 'm'))
    }
    assert.match(out, /b\.example can be reached$/)
  })

  it('says what is wrong, for people and for programs', async () => {
    const { code, out } = await check('10.1.2.3:8448', '--json')
    assert.equal(code, 1)
    const report = JSON.parse(out) as { ok: boolean; steps: { step: string; ok: boolean; text: string }[] }
    assert.equal(report.ok, false)
    assert.deepEqual(
      report.steps.map(({ step, ok }) => [step, ok]),
      [
        ['ip literal', true],
        ['tls', false],
      ],
    )
    assert.match(report.steps[1]?.text ?? '', /allow_ip_ranges/)
    assert.match((await check('not a name')).out, /WRONG +name/)
    assert.equal((await check()).code, 2)
  })
})
