import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { ROOT } from '#test/harness/source-file.ts'
import { PACKED_FOLDER, packedProgram, sourcesDigest } from '../src/cli/packed-program.ts'
import { withSourcePositions } from '../src/cli/source-positions.ts'

describe('the packed program', () => {
  before(() => {
    execFileSync(process.execPath, [join(ROOT, 'tools', 'pack.ts')])
  })

  it('is the one that runs', () => {
    assert.equal(packedProgram(), join(PACKED_FOLDER, 'run-command.mjs'))
    const loaded = spawnSync(process.execPath, [join(ROOT, 'src/main.ts'), 'config', 'example'], {
      env: { ...process.env, NODE_DEBUG: 'esm' },
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    })
    assert.equal(loaded.status, 0)
    assert.match(loaded.stdout, /server_name/)
    const loadedSources = loaded.stderr.match(/(?<=Translating TypeScript file:\S*\/src\/)\S+/g)
    assert.deepEqual(loadedSources, ['main.ts', 'cli/packed-program.ts'])
  })

  it('is not run any more when a source changes, comes or goes', () => {
    const root = mkdtempSync(join(tmpdir(), 'hearth-packed-'))
    for (const file of ['package.json', 'package-lock.json']) cpSync(join(ROOT, file), join(root, file))
    cpSync(join(ROOT, 'src', 'cli'), join(root, 'src', 'cli'), { recursive: true, preserveTimestamps: true })
    const file = join(root, 'src', 'cli', 'start.ts')
    const seen = new Set([sourcesDigest(root)])
    assert.equal(sourcesDigest(root), [...seen][0])
    writeFileSync(file, `${readFileSync(file, 'utf8')}\n`)
    seen.add(sourcesDigest(root))
    utimesSync(file, 1, 1)
    seen.add(sourcesDigest(root))
    writeFileSync(join(root, 'src', 'cli', 'new.ts'), '')
    seen.add(sourcesDigest(root))
    rmSync(file)
    seen.add(sourcesDigest(root))
    assert.equal(seen.size, 5)
    rmSync(root, { recursive: true })
  })

  it('names places in the sources where an error is logged', () => {
    const lines = readFileSync(join(PACKED_FOLDER, 'run-command.mjs'), 'utf8').split('\n')
    const line = lines.findIndex((text) => text.startsWith('async function startServer('))
    const place = `file://${PACKED_FOLDER}/run-command.mjs:${line + 1}:16`
    const stack = withSourcePositions(`Error: no\n    at startServer (${place})\n    at elsewhere`, PACKED_FOLDER)
    const [, file, sourceLine] = /at startServer \((.*):(\d+):\d+\)/.exec(stack) ?? []
    assert.equal(file, join(ROOT, 'src', 'server.ts'))
    assert.match(readFileSync(file, 'utf8').split('\n')[Number(sourceLine) - 1] ?? '', /async function startServer\(/)
  })
})
