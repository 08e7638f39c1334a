/** The rules of the source, applied to all of it; and each rule applied to an offence, so that none sleeps. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { importCircles, orderOfServices, servicesOutOfOrder } from '#test/harness/import-graph.ts'
import { parseSource, sourceFiles } from '#test/harness/source-file.ts'
import { RULES } from '#test/harness/tidy-rules.ts'

const files = sourceFiles('src', 'test', 'bench')

describe('the source', () => {
  for (const rule of RULES) {
    it(`keeps to: ${rule.name}`, () => {
      const findings = files.flatMap((file) => rule.check(file))
      assert.equal(findings.length, 0, `\n${findings.join('\n')}\n`)
    })
  }

  it('has no circles of imports', () => {
    assert.deepEqual(importCircles(files), [])
  })

  it('keeps to the order of services that ARCHITECTURE.md gives', () => {
    assert.deepEqual(servicesOutOfOrder(files, orderOfServices()), [])
  })
})

const OFFENCES: readonly (readonly [path: string, text: string, finding: RegExp])[] = [
  ['src/core/a.ts', "import '#services/b.ts'", /may not import src\/services\/b\.ts/],
  ['src/core/a.ts', "import { x } from '../store/b.ts'", /may not import src\/store\/b\.ts/],
  ['src/core/a.ts', "const b = () => import('#edge/b.ts')", /may not import src\/edge\/b\.ts/],
  ['src/core/a.ts', "type B = import('#config/schema.ts').Config", /may not import src\/config/],
  ['src/store/a.ts', "export { x } from '#services/b.ts'", /may not import src\/services/],
  ['src/services/a.ts', "import { x } from '#config/b.ts'", /may not import src\/config/],
  ['src/services/a.ts', "import type { X } from '#edge/b.ts'", /may not import src\/edge/],
  ['src/services/a.ts', "import type { X } from '#store/sql/b.ts'", /use the interfaces/],
  ['src/edge/client/x/a.ts', "import type { X } from '#store/b.ts'", /ask a service/],
  ['src/edge/client/x/a.ts', "import x from './b.ts'", /move what both need/],
  ['src/server.ts', "import x from '#edge/client/x/a.ts'", /found, not imported/],
  ['src/main.ts', "import x from './server.ts'", /put it into src\/cli/],
  ['src/core/a.ts', "import fs from 'node:fs'", /may not import node:fs/],
  ['src/core/a.ts', "import { hash } from 'node:crypto'", /src\/core\/crypto\.ts/],
  ['src/core/a.ts', 'const a = async () => {}', /synchronous/],
  ['src/core/a.ts', 'const a = Date.now()', /Date/],
  ['src/core/a.ts', 'const a = new Date()', /no clock/],
  ['src/core/a.ts', "fetch('x')", /no network/],
  ['src/core/a.ts', 'const a = process.pid', /no process/],
  ['src/services/a.ts', 'const a = Date.now()', /clock/],
  ['src/services/a.ts', 'const a = Date.now', /clock/],
  ['src/services/a.ts', 'deps.store.onCommit(() => {})', /register with LogFollowers/],
  ['src/services/a.ts', 'const a = Math.random()', /randomBytes/],
  ['src/services/a.ts', 'const a = Object.assign({}, b)', /spread/],
  ['src/services/a.ts', 'a.localeCompare(b)', /compareCodePoints/],
  ['src/services/a.ts', 'for (const a in b) {}', /Object\.keys/],
  ['src/services/a.ts', 'const a = new RegExp(b)', /glob/],
  ['src/services/a.ts', "console.log('a')", /log by the constructor/],
  ['src/services/a.ts', 'const a = process.env.X', /schema\.ts/],
  ['src/services/a.ts', "export * from './b.ts'", /import from the file itself/],
  ['src/services/a.ts', "export { b } from './b.ts'\nexport { c } from './c.ts'", /only forwards/],
  ['src/services/a.ts', '\n'.repeat(501), /501 lines/],
  ['src/services/aB.ts', '', /like-this/],
  ['src/services/a.ts', `// ${'TO'}${'DO'}: later`, /do it/],
]

describe('each rule', () => {
  for (const [path, text, finding] of OFFENCES) {
    it(`sees ${JSON.stringify(text.slice(0, 60))} in ${path}`, () => {
      const file = parseSource(path, text)
      const findings = RULES.flatMap((rule) => rule.check(file))
      assert.ok(
        findings.some((found) => finding.test(found)),
        `found: ${findings.join('\n')}`,
      )
    })
  }

  it('lets what is right pass', () => {
    const text =
      "import type { Config } from '#config/schema.ts'\nimport { x } from '#core/b.ts'\nconst a = /Date.now/\n"
    const file = parseSource('src/services/a.ts', `${text}// Object.assign\nconst b = 'for (a in b) Math.random()'`)
    assert.deepEqual(
      RULES.flatMap((rule) => rule.check(file)),
      [],
    )
  })
})

describe('rules about how files hang together', () => {
  const from = (path: string, ...targets: string[]) =>
    parseSource(path, targets.map((target) => `import type { X } from '#${target}'\n`).join(''))

  it('see circles, of two files and by way of others', () => {
    const found = importCircles([
      from('src/core/a.ts', 'core/b.ts'),
      from('src/core/b.ts', 'core/a.ts', 'core/c.ts'),
      from('src/core/c.ts', 'core/d.ts'),
      from('src/core/d.ts', 'core/b.ts'),
      from('src/core/e.ts', 'core/a.ts'),
    ])
    assert.equal(found.length, 2)
    assert.match(found[0]!, /^src\/core\/a\.ts → src\/core\/b\.ts → src\/core\/a\.ts: put what both need/)
    assert.match(found[1]!, /^src\/core\/b\.ts → src\/core\/c\.ts → src\/core\/d\.ts → src\/core\/b\.ts/)
  })

  it('see services that call what stands beside or below them', () => {
    const order = [['time'], ['rooms', 'profiles'], ['sync']]
    const files = [
      from('src/services/time/a.ts'),
      from('src/services/rooms/a.ts', 'services/time/a.ts', 'services/rooms/b.ts', 'services/profiles/a.ts'),
      from('src/services/profiles/a.ts', 'services/sync/a.ts', 'services/put-together.ts'),
      from('src/services/sync/a.ts', 'services/profiles/a.ts'),
      from('src/services/put-together.ts', 'services/sync/a.ts'),
      from('src/services/new/a.ts'),
    ]
    const found = servicesOutOfOrder(files, [...order, ['gone']]).map((finding) => finding.split(',')[0])
    assert.deepEqual(found, [
      'src/services/rooms/a.ts:3: rooms may not call src/services/profiles/a.ts: see ARCHITECTURE.md',
      'src/services/profiles/a.ts:1: profiles may not call src/services/sync/a.ts: see ARCHITECTURE.md',
      'src/services/profiles/a.ts:2: profiles may not call src/services/put-together.ts: what puts services together stands above them all',
      'src/services/new has no place in ARCHITECTURE.md',
      'ARCHITECTURE.md',
    ])
  })
})
