/** How many requests of one other server are worked on, how many wait, and what waiting may hold. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { FEDERATION_LIMIT, type FederationLimit } from '#config/rate-limits.ts'
import type { ServerName } from '#core/ids.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { ServerLimiter } from '#services/rate-limits/server-limiter.ts'
import { manualTime } from '#test/harness/manual-time.ts'

const A = 'a.example' as ServerName
const B = 'b.example' as ServerName
const MIB = 1024 * 1024

function scene(limit: Partial<FederationLimit> | false = {}) {
  const time = manualTime()
  const { clock, timers } = time
  const limiter = new ServerLimiter({
    limit: limit === false ? false : { ...FEDERATION_LIMIT, ...limit },
    clock,
    timers,
  })
  const begun: number[] = []
  const ends: (() => void)[] = []
  let sent = 0
  /** One request; its work goes on until `ends[n]` is called. */
  const ask = (server = A, { bytes = 0, signal = new AbortController().signal } = {}) => {
    const number = sent++
    const { promise, resolve } = Promise.withResolvers<void>()
    ends[number] = resolve
    const done = limiter.run(server, { bytes, signal }, () => {
      begun.push(number)
      return promise
    })
    const outcome = done.then(
      () => 'done',
      (error: unknown) => (error instanceof MatrixError ? error.errcode : 'defect'),
    )
    return { number, outcome, isOver: () => Promise.race([outcome.then(() => true), turn().then(() => false)]) }
  }
  const many = (count: number, server = A) => Array.from({ length: count }, () => ask(server))
  const end = async (...numbers: number[]) => {
    for (const number of numbers) ends[number]!()
    await turn()
  }
  return { time, limiter, begun, ask, many, end }
}

describe('requests of one other server', () => {
  it('are worked on three at a time, the others in their order', async () => {
    const { begun, many, end } = scene()
    many(5)
    await turn()
    assert.deepEqual(begun, [0, 1, 2])
    await end(1)
    assert.deepEqual(begun, [0, 1, 2, 3])
    await end(0, 3)
    assert.deepEqual(begun, [0, 1, 2, 3, 4])
  })

  it('that fail give their place back', async () => {
    const { limiter, begun, ask } = scene({ concurrent: 1 })
    const fails = () => Promise.reject(new MatrixError('M_FORBIDDEN', 'no'))
    await assert.rejects(limiter.run(A, { bytes: 0, signal: new AbortController().signal }, fails))
    ask()
    await turn()
    assert.equal(begun.length, 1)
  })

  it('sleep half a second when they are more than ten in a second', async () => {
    const { time, limiter, begun, ask } = scene()
    const now = () => limiter.run(A, { bytes: 0, signal: new AbortController().signal }, () => {})
    for (let i = 0; i < 10; i += 1) await now()
    ask()
    await turn()
    assert.equal(begun.length, 0)
    time.advance(499)
    await turn()
    assert.equal(begun.length, 0)
    time.advance(1)
    await turn()
    assert.equal(begun.length, 1)
  })

  it('do not sleep when the eleventh comes a second after the first', async () => {
    const { time, limiter, begun, ask } = scene()
    for (let i = 0; i < 10; i += 1) {
      await limiter.run(A, { bytes: 0, signal: new AbortController().signal }, () => {})
    }
    time.advance(1_000)
    ask()
    await turn()
    assert.equal(begun.length, 1)
  })

  it('are refused with the time to wait while fifty wait', async () => {
    const { limiter, many, end, ask } = scene({ sleepAfter: 1_000 })
    const asked = many(53)
    await turn()
    assert.equal(limiter.waiting, 50)
    const signal = new AbortController().signal
    await assert.rejects(
      limiter.run(A, { bytes: 0, signal }, () => {}),
      {
        errcode: 'M_LIMIT_EXCEEDED',
        extra: { retry_after_ms: 1_000 },
      },
    )
    await end(0)
    const last = ask()
    assert.equal(await last.isOver(), false)
    assert.equal(limiter.waiting, 50)
    for (const { isOver } of asked.slice(1)) assert.equal(await isOver(), false)
  })

  it('hold up no other server', async () => {
    const { begun, many, ask } = scene()
    many(53)
    const other = ask(B)
    await turn()
    assert.ok(begun.includes(other.number))
  })

  it('wait with no more than 64 MiB altogether', async () => {
    const { many, ask } = scene({ sleepAfter: 1_000 })
    many(3)
    many(3, B)
    const fits = [ask(A, { bytes: 32 * MIB }), ask(B, { bytes: 32 * MIB })]
    const over = ask(B, { bytes: 1 })
    assert.equal(await over.outcome, 'M_LIMIT_EXCEEDED')
    for (const { isOver } of fits) assert.equal(await isOver(), false)
    assert.equal(await ask(A).isOver(), false)
  })

  it('that are given up leave, whether they sleep or stand in the queue', async () => {
    const { time, limiter, begun, many, ask, end } = scene({ sleepAfter: 4 })
    many(3)
    const gone = new AbortController()
    const [stands, sleeps] = [ask(A, { bytes: 64 * MIB, signal: gone.signal }), ask(A, { signal: gone.signal })]
    assert.equal(limiter.waiting, 2)
    gone.abort('gone')
    assert.deepEqual(await Promise.all([stands.outcome, sleeps.outcome]), ['M_LIMIT_EXCEEDED', 'M_LIMIT_EXCEEDED'])
    assert.equal(limiter.waiting, 0)
    assert.equal(time.pending.size, 0)
    assert.equal(await ask(A, { signal: gone.signal }).outcome, 'M_LIMIT_EXCEEDED')
    await end(0)
    assert.equal(begun.length, 3)
  })

  it('are all let through when limits are off', async () => {
    const { limiter, begun, many } = scene(false)
    many(200)
    await turn()
    assert.equal(begun.length, 200)
    assert.equal(limiter.size, 0)
  })
})

describe('the servers that are remembered', () => {
  it('are bounded, but for those with requests under way', async () => {
    const { limiter, many, begun, ask } = scene({ concurrent: 1 })
    many(1)
    const signal = new AbortController().signal
    for (let i = 0; i < 11_000; i += 1) await limiter.run(`s${i}` as ServerName, { bytes: 0, signal }, () => {})
    assert.equal(limiter.size, 10_001)
    ask()
    await turn()
    assert.deepEqual(begun, [0])
  })
})
