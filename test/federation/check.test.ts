/** `hearth federation check` towards servers with one thing wrong: it is found at its step, and nothing else is. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { TestCa } from '#test/federation/harness/test-ca.ts'
import { HostileServer, type Reply } from '#test/federation/hostile-server.ts'
import { runCommand } from '../../src/cli/run-command.ts'

const HOUR_MS = 3_600_000

const opened = new AsyncDisposableStack()
let odd: HostileServer
let file: string
let version: Reply
let profile: Reply

before(async () => {
  const ca = opened.use(new TestCa())
  odd = opened.use(await HostileServer.start('odd.example', ca, ca.issue('odd.example', 'other.example')))
  odd.on('GET', '/v1/version', () => version)
  odd.on('GET', '/v1/query/profile', () => profile)
  const folder = mkdtempSync(join(tmpdir(), 'hearth-check-'))
  opened.defer(() => rmSync(folder, { recursive: true }))
  const names = ['odd.example', 'other.example', 'third.example']
  const federation = {
    server_overrides: Object.fromEntries(names.map((name) => [name, odd.federationAddress])),
    ca_file: ca.caFile,
    allow_ip_ranges: ['127.0.0.0/8'],
  }
  file = join(folder, 'hearth.yaml')
  // JSON is YAML too.
  writeFileSync(file, JSON.stringify({ server_name: 'hearth.example', data_dir: join(folder, 'data'), federation }))
  honest()
})
afterEach(honest)
after(() => opened[Symbol.asyncDispose]())

function honest(): void {
  version = { status: 200, body: { server: { name: 'Odd', version: '7' } } }
  profile = { status: 404, body: { errcode: 'M_NOT_FOUND', error: 'Nobody' } }
  odd.keys = {}
}

/** The steps that are wrong, with what is said of them; and all steps there were. */
async function check(name: string) {
  const printed: string[] = []
  const print = (line: string) => printed.push(line)
  const io = { environment: {}, print, complain: print, readInput: async () => '' }
  const code = await runCommand(['federation', 'check', name, '--json', '--config', file], io)
  const report = JSON.parse(printed.join('\n')) as { ok: boolean; steps: { step: string; ok: boolean; text: string }[] }
  const wrong = report.steps.filter(({ ok }) => !ok)
  assert.equal(report.ok, wrong.length === 0)
  assert.equal(code, report.ok ? 0 : 1)
  return { steps: report.steps.map(({ step }) => step), wrong: wrong.map(({ step, text }) => `${step}: ${text}`) }
}

describe('the check of another server', () => {
  it('walks all steps', async () => {
    const { steps, wrong } = await check('odd.example')
    assert.deepEqual([steps, wrong], [['override', 'tls', 'version', 'keys', 'signed request'], []])
  })

  const faults: readonly (readonly [what: string, name: string, set: () => void, found: RegExp])[] = [
    ['a certificate for other names', 'third.example', () => {}, /^tls: .*altnames/],
    [
      'a server that is none of Matrix',
      'odd.example',
      () => {
        version = { status: 404, body: '<html>' }
      },
      /^version: is no homeserver: status 404/,
    ],
    ['keys of another server', 'other.example', () => {}, /^keys: .*'server_name' is another server/],
    [
      'keys that have run out',
      'odd.example',
      () => {
        odd.keys = { validUntilTs: Date.now() - 1_000 }
      },
      /^keys: ed25519:a_1: expired 2/,
    ],
    [
      'a server that does not believe our signature',
      'odd.example',
      () => {
        profile = { status: 401, body: { errcode: 'M_UNAUTHORIZED', error: 'Bad signature' } }
      },
      /^signed request: .*can it reach the keys of hearth\.example\? .*M_UNAUTHORIZED, Bad signature/,
    ],
    [
      'a server that fails',
      'odd.example',
      () => {
        profile = { status: 502, body: '' }
      },
      /^signed request: status 502/,
    ],
  ]
  for (const [what, name, set, found] of faults) {
    it(`finds ${what}`, async () => {
      set()
      const { wrong } = await check(name)
      assert.equal(wrong.length, 1, wrong.join('\n'))
      assert.match(wrong[0] as string, found)
    })
  }

  it('warns of keys that are about to run out', async () => {
    odd.keys = { validUntilTs: Date.now() + HOUR_MS / 2 }
    assert.deepEqual((await check('odd.example')).wrong, [])
    const lines: string[] = []
    const print = (line: string) => lines.push(line)
    const io = { environment: {}, print, complain: print, readInput: async () => '' }
    assert.equal(await runCommand(['federation', 'check', 'odd.example', '--config', file], io), 0)
    assert.match(lines.join('\n'), /^ok +keys .*in less than an hour: is its clock right\?/m)
  })
})
