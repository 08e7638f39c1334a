/** What one message costs the main thread: processor time and SQL statements, of this source or beside another one. */
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Http } from './http.ts'
import { load } from './load.ts'
import { removeFolder, startHearth } from './processes.ts'
import { createRoom, joinAll, registerUsers, sendMessage, type User } from './rooms.ts'
import type { Spent } from './statements.ts'

const SENDERS = [1, 100]
/** Members of the room, who are the senders. */
const MEMBERS = 100

export type SendCost = {
  readonly source: string
  readonly senders: number
  readonly statementsPerSend: number
  readonly cpuMsPerSend: number
  readonly sendsPerSecond: number
}

/**
 * Several sources are measured in turn, round after round, so that a busy machine is busy for all of them.
 * @param sources folders with a checkout each
 */
export async function measureSendCost(
  sources: readonly string[],
  rounds: number,
  windowMs: number,
): Promise<SendCost[]> {
  const costs: SendCost[] = []
  for (let round = 0; round < rounds; round++) {
    for (const source of sources) costs.push(...(await measure(source, windowMs)))
  }
  return costs
}

/** The median of the rounds, and how it stands to the first source's. */
export function printSendCost(costs: readonly SendCost[]): void {
  console.log('What a message costs on the main thread (SQLite)')
  console.log('senders   statements   CPU ms   sends/s   CPU against the first   source')
  for (const senders of SENDERS) {
    let first: number | null = null
    for (const [source, some] of Map.groupBy(
      costs.filter((cost) => cost.senders === senders),
      (cost) => cost.source,
    )) {
      const cpuMs = median(some.map(({ cpuMsPerSend }) => cpuMsPerSend))
      first ??= cpuMs
      const columns = [
        senders,
        median(some.map(({ statementsPerSend }) => statementsPerSend)).toFixed(2),
        cpuMs.toFixed(3),
        median(some.map(({ sendsPerSecond }) => sendsPerSecond)).toFixed(0),
        (cpuMs / first).toFixed(2),
        source,
      ]
      console.log(columns.map((column) => String(column).padStart(10)).join(' '))
    }
  }
}

async function measure(source: string, windowMs: number): Promise<SendCost[]> {
  const socket = join('/tmp', `hearth-statements-${process.pid}.sock`)
  const running = await startHearth('sqlite', {
    source,
    nodeArguments: ['--import', join(import.meta.dirname, 'statements.ts')],
    environment: { STATEMENTS_SOCKET: socket },
  })
  const http = new Http(running.url)
  try {
    const users = await registerUsers(http, 'send', MEMBERS)
    const room = await createRoom(http, users[0] as User, 'Everyone')
    await joinAll(http, room, users.slice(1))
    const costs: SendCost[] = []
    for (const senders of SENDERS) {
      const send = async (worker: number, n: number) => {
        await sendMessage(http, room, users[worker] as User, n)
      }
      await load(senders, windowMs / 4, send)
      const before = await spent(socket)
      let sends = 0
      const { perSecond } = await load(senders, windowMs, async (worker, n) => {
        await send(worker, n)
        sends += 1
      })
      const after = await spent(socket)
      costs.push({
        source,
        senders,
        statementsPerSend: (after.statements - before.statements) / sends,
        cpuMsPerSend: (after.cpuMs - before.cpuMs) / sends,
        sendsPerSecond: perSecond,
      })
    }
    return costs
  } finally {
    http.close()
    await running.stop()
    removeFolder(running.folder)
    rmSync(socket, { force: true })
  }
}

async function spent(path: string): Promise<Spent> {
  const connection = connect(path)
  const chunks: Buffer[] = []
  connection.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(connection, 'close')
  return JSON.parse(Buffer.concat(chunks).toString()) as Spent
}

function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
