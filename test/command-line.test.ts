/** The `hearth` command as its users meet it: exit codes, messages, signals. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { startHearth } from '#test/harness/hearth-process.ts'
import { runCommand } from '../src/cli/run-command.ts'

let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-cli-'))
  writeFileSync(join(folder, 'hearth.yaml'), 'listeners: [{ port: 0 }]\npassword_hash: { memory_kib: 8, passes: 1 }\n')
  writeFileSync(join(folder, 'wrong.yaml'), 'log:\n  levle: info\n')
})
after(() => rmSync(folder, { recursive: true }))

/** Runs a command in this process, with its settings in `file`. */
async function hearth(args: string[], file: string | null = null, input = '') {
  const printed: string[] = []
  const complained: string[] = []
  const code = await runCommand(file === null ? args : [...args, '--config', join(folder, file)], {
    environment: {},
    print: (line) => printed.push(line),
    complain: (line) => complained.push(line),
    readInput: async () => input,
  })
  return { code, out: printed.join('\n'), err: complained.join('\n').replaceAll(`${folder}/`, '') }
}

const READY = /Listening on (http:\/\/127\.0\.0\.1:(\d+))[\s\S]*There is no administrator yet[^\n]*: (\S+)\n/
const start = () => startHearth(['start', '--config', 'hearth.yaml'], { cwd: folder, ready: READY })

describe('hearth', () => {
  it('refuses wrong settings with exit code 2, naming file, line and key', async () => {
    for (const command of [['start'], ['config', 'check'], ['user', 'add', 'x']]) {
      const { code, err, out } = await hearth(command, 'wrong.yaml')
      assert.equal(code, 2)
      assert.equal(err, 'wrong.yaml:2: log.levle: is no setting; did you mean level?')
      assert.equal(out, '')
    }
  })

  it('accepts right ones', async () => {
    assert.equal((await hearth(['config', 'check'], 'hearth.yaml')).code, 0)
  })

  it('looks into the database that they name', async () => {
    const settings = (name: string, dataDir: string) => `{ server_name: ${name}, data_dir: ${dataDir} }`
    writeFileSync(join(folder, 'one.yaml'), settings('one.example', 'checked'))
    writeFileSync(join(folder, 'two.yaml'), settings('two.example', 'checked'))
    const untouched = await hearth(['config', 'check'], 'one.yaml')
    assert.match(untouched.out, /fixes the server's name for good: one\.example/)
    assert.equal(existsSync(join(folder, 'checked')), false)
    assert.equal((await hearth(['user', 'add', 'alice'], 'one.yaml')).code, 0)
    assert.doesNotMatch((await hearth(['config', 'check'], 'one.yaml')).out, /for good/)
    const other = await hearth(['config', 'check'], 'two.yaml')
    assert.equal(other.code, 1)
    assert.match(other.err, /belongs to "one\.example"/)
    writeFileSync(join(folder, 'away.yaml'), '{ server_name: a.example, database: "postgres://nobody@127.0.0.1:1/x" }')
    const away = await hearth(['config', 'check'], 'away.yaml')
    assert.equal(away.code, 1)
    assert.match(away.err, /^database: /)
  })

  it('prints an example that it accepts', async () => {
    const { out } = await hearth(['config', 'example'])
    writeFileSync(join(folder, 'example.yaml'), out)
    assert.equal((await hearth(['config', 'check'], 'example.yaml')).code, 0)
  })

  it('refuses what it does not know with exit code 2, and helps', async () => {
    for (const args of [
      ['frobnicate'],
      ['config'],
      ['user', 'add'],
      ['start', 'now'],
      ['start', '--frob'],
      ['user', 'add', 'a', 'b'],
    ]) {
      const { code, err } = await hearth(args)
      assert.equal(code, 2, args.join(' '))
      assert.match(err, /hearth start/)
    }
    assert.equal((await hearth(['help'])).code, 0)
    assert.match((await hearth(['version'])).out, /^\d+\.\d+\.\d+$/)
  })

  it('makes accounts, and says why not', async () => {
    const add = (...args: string[]) => hearth(['user', 'add', ...args], 'hearth.yaml')
    assert.match((await add('ann')).out, /^@ann:localhost \S{20}$/)
    assert.equal((await add('ben', '--password', 'secret')).out, '@ben:localhost')
    const fromInput = await hearth(['user', 'add', 'cat', '--password-stdin'], 'hearth.yaml', 'secret\n')
    assert.equal(fromInput.out, '@cat:localhost')
    const taken = await add('ann')
    assert.deepEqual([taken.code, taken.out], [1, ''])
    assert.match(taken.err, /taken/)
    assert.equal((await add('a b')).code, 1)
  })
})

describe('hearth start', () => {
  it('prints where it listens and the one-time address, and stops in order on SIGTERM', async () => {
    const { child, match, exited } = await start()
    assert.equal((await fetch(`${match[1]}/health`)).status, 200)
    assert.equal((await fetch(`${match[1]}/_matrix/client/versions`)).status, 200)
    assert.match(match[3]!, /\/_hearth\/first-run\/first_/)
    assert.equal(statSync(join(folder, 'data')).mode & 0o777, 0o700)
    // Meanwhile one on another data folder names the listener whose port is taken.
    writeFileSync(join(folder, 'taken.yaml'), `data_dir: other\nlisteners: [{ port: ${match[2]} }]\n`)
    const { code, err } = await hearth(['start'], 'taken.yaml')
    assert.equal(code, 1)
    assert.match(err, /listeners\.0: can't listen on 127\.0\.0\.1, port \d+: .*EADDRINUSE/)
    child.kill('SIGTERM')
    assert.equal(await exited, 0)
  })

  it('stops in order on SIGINT, and at once on a second signal', async () => {
    const { child, match, exited, output } = await start()
    // A request whose body never comes keeps the orderly stop waiting.
    const socket = connect(Number(match[2]), '127.0.0.1')
    socket.on('error', () => {})
    const head =
      'POST /_matrix/client/v3/login HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n'
    socket.write(head)
    await new Promise((resolve) => socket.once('data', resolve))
    child.kill('SIGINT')
    while (!output().includes('Stopping')) await new Promise((resolve) => child.stdout!.once('data', resolve))
    child.kill('SIGTERM')
    assert.equal(await exited, 1)
    assert.ok(!output().includes('Stopped'))
    socket.destroy()
  })

  it('is refused on a data folder that another one serves, until that has ended, however it did', async () => {
    const { child, exited } = await start()
    const { code, err } = await hearth(['start'], 'hearth.yaml')
    assert.equal(code, 1)
    assert.match(err, /^Another Hearth is running on the data folder data\. [^\n]+$/)
    // What the command line does beside a server is still done.
    assert.equal((await hearth(['user', 'add', 'beside'], 'hearth.yaml')).out.split(' ')[0], '@beside:localhost')
    child.kill('SIGKILL')
    await exited
    const again = await start()
    again.child.kill('SIGTERM')
    assert.equal(await again.exited, 0)
  })

  for (const [what, settings, prepare, expected] of [
    [
      'a data folder that is none',
      'data_dir: file',
      (at) => writeFileSync(join(at, 'file'), ''),
      /^data_dir: can't use file: E/,
    ],
    [
      'a database that is damaged',
      'data_dir: damaged',
      (at) => {
        mkdirSync(join(at, 'damaged'))
        writeFileSync(join(at, 'damaged', 'hearth.db'), 'x'.repeat(100_000))
      },
      /^data_dir: damaged: The database is damaged \(file is not a database\)$/,
    ],
    [
      'a database of a newer program',
      'data_dir: newer',
      (at) => {
        mkdirSync(join(at, 'newer'))
        const database = new DatabaseSync(join(at, 'newer', 'hearth.db'))
        database.exec(
          "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL); INSERT INTO meta VALUES ('schema_version', '999')",
        )
        database.close()
      },
      /^data_dir: newer: The database has schema version 999, .+$/,
    ],
    [
      'a PostgreSQL that is not there',
      'data_dir: elsewhere\ndatabase: postgres://hearth@127.0.0.1:1/hearth',
      () => {},
      /^database: The database can't be reached \(connect ECONNREFUSED 127\.0\.0\.1:1\)$/,
    ],
    [
      'a key that others can read',
      'data_dir: open',
      (at) => {
        mkdirSync(join(at, 'open'))
        writeFileSync(join(at, 'open', 'signing.key'), 'x', { mode: 0o644 })
      },
      /^data_dir: .*signing\.key can be read by other users .+$/,
    ],
  ] as const satisfies readonly (readonly [string, string, (at: string) => void, RegExp])[]) {
    it(`says in one sentence what is wrong with ${what}`, async () => {
      writeFileSync(join(folder, 'fault.yaml'), `listeners: [{ port: 0 }]\n${settings}\n`)
      prepare(folder)
      const { code, err, out } = await hearth(['start'], 'fault.yaml')
      assert.deepEqual([code, out], [1, ''])
      assert.match(err, expected)
    })
  }
})
