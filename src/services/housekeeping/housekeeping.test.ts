import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ServerName } from '#core/ids.ts'
import { Housekeeping } from '#services/housekeeping/housekeeping.ts'
import type { Timers } from '#services/time/timers.ts'
import { openStore } from '#store/sql/open.ts'
import { QUIET_LOG } from '#test/store/harness.ts'

test('each hour drops what has expired, until it is stopped', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'hearth-'))
  let now = 1_700_000_000_000
  const clock = () => now
  const due: (() => void)[] = []
  const timers: Timers = {
    after(_ms, fn) {
      due.push(fn)
      return () => due.splice(due.indexOf(fn), 1)
    },
  }
  {
    await using store = await openStore({
      database: 'sqlite',
      dataDir,
      serverName: 'hearth.example' as ServerName,
      clock,
      log: QUIET_LOG,
    })
    const session = { operation: 'x', userNid: null, fingerprint: null, completed: [] }
    await store.write(async (tx) => {
      await tx.uiaSessions.add({ ...session, idHash: 'old', expiresTs: now + 1 })
      await tx.uiaSessions.add({ ...session, idHash: 'new', expiresTs: now + 7_200_000 })
    })
    const origin = 'elsewhere.example' as ServerName
    await store.write((tx) => tx.inbound.putTransaction(origin, '1', {}))
    const housekeeping = new Housekeeping({ store, clock, timers, onError: (error) => assert.fail(String(error)) })
    now += 3_600_000
    due.shift()?.()
    await housekeeping.stop()
    const left = await store.read(async (tx) => [await tx.uiaSessions.get('old'), await tx.uiaSessions.get('new')])
    assert.deepEqual([left[0], left[1]?.idHash], [null, 'new'])
    const answered = () => store.read((tx) => tx.inbound.transaction(origin, '1'))
    assert.deepEqual(await answered(), {})
    now += 24 * 3_600_000
    const later = new Housekeeping({ store, clock, timers, onError: (error) => assert.fail(String(error)) })
    due.shift()?.()
    await later.stop()
    assert.equal(await answered(), null)
    assert.equal(due.length, 0, 'nothing is planned after the stop')
  }
  await rm(dataDir, { recursive: true })
})
