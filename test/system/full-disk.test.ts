/** The disk runs full under a running server, and has room again. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { Api, V3 } from '#test/system/harness/api.ts'
import { Hearth } from '#test/system/harness/hearth.ts'
import { until } from '#test/system/harness/until.ts'

const DISK_BYTES = 8 * 1024 * 1024

it('writes get 507 and say when to come again, /health says why, and all is well when there is room', async (test) => {
  const disk = mkdtempSync(join(tmpdir(), 'hearth-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', disk], { stdio: 'pipe' })
  } catch {
    rmSync(disk, { recursive: true })
    test.skip('NOT tested: a small disk can be mounted only by root')
    return
  }
  try {
    await using hearth = await Hearth.start({ config: { data_dir: join(disk, 'data'), log: { level: 'info' } } })
    const alice = await new Api(hearth.url).register('alice')
    const store = (n: number) =>
      alice.request('PUT', `${V3}/user/${alice.userId}/account_data/t${n}`, { body: { text: 'x'.repeat(30_000) } })
    const fill = join(disk, 'fill')
    const { bavail, bsize } = statfsSync(disk)
    writeFileSync(fill, Buffer.alloc(bavail * bsize))
    let full = await store(0)
    // What the write-ahead log has room for already is still taken.
    for (let n = 1; full.status === 200; n++) full = await store(n)
    assert.deepEqual([full.status, full.body.errcode, full.body.retry_after_ms], [507, 'M_UNKNOWN', 5_000])
    await alice.get(`${V3}/account/whoami`)
    const health = await fetch(`${hearth.url}/health`)
    assert.deepEqual([health.status, await health.text()], [503, 'The disk of the database is full\n'])
    rmSync(fill)
    await until('a healthy server', async () => (await fetch(`${hearth.url}/health`)).status === 200)
    assert.equal((await store(0)).status, 200)
    assert.doesNotMatch(hearth.output, /defect|"stack"/)
    await hearth.stop()
  } finally {
    execFileSync('umount', ['-l', disk])
    rmSync(disk, { recursive: true })
  }
})
