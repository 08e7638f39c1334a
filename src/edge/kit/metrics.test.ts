import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Metrics } from '#kit/metrics.ts'

test('each server shows the numbers of the process, once, and its own', async () => {
  const [first, second] = [new Metrics(), new Metrics()]
  first.gauge('hearth_test', 'Of the first', () => 1)
  second.gauge('hearth_test', 'Of the second', () => 2)
  for (const [metrics, value] of [
    [first, 1],
    [second, 2],
  ] as const) {
    const lines = (await metrics.text()).split('\n')
    assert.deepEqual(
      lines.filter((line) => line.startsWith('hearth_test ')),
      [`hearth_test ${value}`],
    )
    for (const name of [
      'process_cpu_user_seconds_total',
      'nodejs_gc_duration_seconds',
      'nodejs_eventloop_lag_p99_seconds',
    ])
      assert.equal(lines.filter((line) => line.startsWith(`# TYPE ${name} `)).length, 1, name)
  }
})

test('what a server measures is let go with it', async () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage: () => void = runInNewContext('gc')
  const measured = Array.from({ length: 5 }, () => {
    const cache = new Map()
    new Metrics().gauge('hearth_test', 'Size of a cache', () => cache.size)
    return new WeakRef(cache)
  })
  // A weak reference that was made or read in this turn holds until its end.
  await setImmediate()
  collectGarbage()
  assert.deepEqual(
    measured.map((cache) => cache.deref()),
    measured.map(() => undefined),
  )
})
