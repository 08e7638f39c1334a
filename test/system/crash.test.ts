/** SECURITY.md T1: kill -9 in the middle of sends, twenty times, with a ledger of what was acknowledged. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { LedgerEntry, WriterJob } from '#test/system/clients/writer.ts'
import { Api, type Event } from '#test/system/harness/api.ts'
import { onEachDatabase } from '#test/system/harness/databases.ts'
import { Hearth } from '#test/system/harness/hearth.ts'
import { Random, seed } from '#test/system/harness/random.ts'
import { TimelineReader } from '#test/system/harness/timeline-reader.ts'

const WRITER = fileURLToPath(new URL('clients/writer.ts', import.meta.url))
const USERS = 20
const ROOMS = 10
/** "Ready within five seconds after kill -9 on a quiet machine", in processor time: a busy one only makes it wait. */
const READY_CPU_MS_MAX = 5_000
const CYCLES = Number(process.env['HEARTH_TEST_CYCLES'] ?? 20)

onEachDatabase('crash', (database) => {
  it(`T1: ${CYCLES} kills: nothing acknowledged is lost, nothing doubled, no gaps`, async (test) => {
    const random = new Random(seed())
    test.diagnostic(`HEARTH_TEST_SEED=${seed()}`)
    await using hearth = await Hearth.start({ database })
    const anyone = new Api(hearth.url)
    const users = await anyone.registerAll(Array.from({ length: USERS }, (_, i) => `user${i}`))
    const reader = await anyone.register('reader')
    const rooms: string[] = []
    for (let i = 0; i < ROOMS; i++) rooms.push(await users[0]!.createRoom({ preset: 'public_chat' }))
    for (const roomId of rooms) await Promise.all([...users.slice(1), reader].map((user) => user.join(roomId)))

    const job: WriterJob = {
      url: hearth.url,
      sessions: users.map((user) => ({ access_token: user.token!, user_id: user.userId })),
      rooms,
      ledger: join(hearth.folder, 'ledger'),
    }
    const writer = fork(WRITER, [JSON.stringify(job)], { env: { ...process.env, NODE_NO_WARNINGS: '1' } })
    const ended = new AbortController()
    writer.once('exit', () => ended.abort())
    try {
      const timelines = await TimelineReader.begin(reader, 100, 'federation')
      const starts: number[] = []
      let cpuMs = 0
      for (let cycle = 0; cycle < CYCLES; cycle++) {
        writer.send('go')
        await sleep(random.between(50, 2_000))
        await hearth.kill()
        starts.push(Math.round(await hearth.boot()))
        cpuMs = Math.max(cpuMs, hearth.processorMs)
        await drained(writer, ended.signal)
        // From the token of before the crash.
        while ((await timelines.read()) > 0);
      }
      const ledger = await readLedger(job.ledger)
      starts.sort((a, b) => a - b)
      const median = starts[starts.length >> 1]!
      test.diagnostic(`${ledger.length} sends acknowledged; ready after ${median} ms, at most ${starts.at(-1)} ms`)
      test.diagnostic(`at most ${cpuMs} ms of processor time until ready`)
      assert.ok(cpuMs < READY_CPU_MS_MAX, `${cpuMs} ms of processor time until ready`)
      assert.ok(ledger.length > CYCLES * USERS, 'there was something to lose')
      for (const roomId of rooms) {
        const entries = ledger.filter((entry) => entry.roomId === roomId)
        checkRoom(entries, await reader.history(roomId, 1000), timelines.timelines.get(roomId) ?? [])
      }
      assert.doesNotMatch(hearth.output, /"level":(?:50|60)/, hearth.output)
    } finally {
      writer.kill()
    }
  })
})

function checkRoom(ledger: readonly LedgerEntry[], history: readonly Event[], synced: readonly Event[]): void {
  const byTransaction = Map.groupBy(
    history.filter((event) => event.type === 'm.room.message'),
    (event) => String(event.content.body),
  )
  for (const { txnId, eventId } of ledger) {
    const found = byTransaction.get(txnId) ?? []
    assert.deepEqual(
      found.map((event) => event.event_id),
      [eventId],
      `the events of ${txnId}`,
    )
  }
  assert.equal(byTransaction.size, ledger.length, 'events that nobody got an answer for')
  const order = history.map((event) => event.event_id)
  const seen = synced.map((event) => event.event_id)
  assert.deepEqual(seen, order.slice(order.length - seen.length), 'what /sync told is the end of what /messages tells')
  assert.equal(seen.length, ledger.length)

  const known = new Set(order)
  for (const event of synced as readonly (Event & { prev_events?: readonly string[] })[]) {
    // Those that filled a gap come from /messages, in the client format.
    for (const id of event.prev_events ?? []) assert.ok(known.has(id), `${event.event_id} cites ${id}`)
  }
}

/** Resolves when the writer has an answer to everything; rejects when it has ended. */
async function drained(writer: ChildProcess, ended: AbortSignal): Promise<void> {
  const answer = once(writer, 'message', { signal: ended })
  writer.send('drain')
  await answer
}

async function readLedger(file: string): Promise<LedgerEntry[]> {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as LedgerEntry)
}
