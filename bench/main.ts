/**
 * Drives a homeserver through the client API and prints what it reached.
 *
 *   npm run bench                                     a Hearth of its own, on SQLite
 *   npm run bench -- --database postgres://…          the same on PostgreSQL
 *   npm run bench -- --url http://127.0.0.1:8008      any homeserver with open registration and no rate limits
 *   npm run bench -- --device-lists                   what a sync costs among many people's devices
 *   npm run bench -- --sends [--beside FOLDER]        what a message costs, beside the source in another folder
 *   npm run bench -- --federation                     how it gets on with other servers, see federation/report.ts
 *   npm run bench -- --start                          what a start costs, and an idle server
 *   npm run bench -- --quick                          small sizes, to see that it works
 *
 * Figures mean something only beside others of the same run: the machine's own limits and the yardstick are measured
 * together with the server. Results go to bench/results/ as JSON.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureDeviceLists, printDeviceLists } from './device-lists.ts'
import { loopDelayP99Ms } from './event-loop.ts'
import { FEDERATION_FULL, FEDERATION_QUICK, measureFederation } from './federation/measure.ts'
import { printFederation } from './federation/report.ts'
import { Http } from './http.ts'
import { type Load, load } from './load.ts'
import { measureMachine } from './machine.ts'
import { folderBytes, type Running, removeFolder, residentMib, startHearth, startYardstick } from './processes.ts'
import { printReport, type Report } from './report.ts'
import {
  diskPhases,
  FULL,
  halfLoad,
  makeWorld,
  measureInitialSync,
  measureSends,
  measureSyncLatency,
  QUICK,
  type Sizes,
} from './scenarios.ts'
import { measureSendCost, printSendCost } from './send-cost.ts'
import { measureStart, printStart } from './start.ts'

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    pid: { type: 'string' },
    database: { type: 'string', default: 'sqlite' },
    'device-lists': { type: 'boolean', default: false },
    sends: { type: 'boolean', default: false },
    beside: { type: 'string' },
    federation: { type: 'boolean', default: false },
    start: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
})
const sizes: Sizes = options.quick ? QUICK : FULL

const takenAt = new Date().toISOString()
const machine = measureMachine()
if (options['device-lists']) {
  const figures = await measureDeviceLists(options.quick)
  printDeviceLists(figures)
  save(`${takenAt}-device-lists`, { takenAt, machine, figures })
} else if (options.sends) {
  const sources = [...(options.beside === undefined ? [] : [options.beside]), join(import.meta.dirname, '..')]
  const figures = await measureSendCost(sources, options.quick ? 1 : 3, sizes.windowMs)
  printSendCost(figures)
  save(`${takenAt}-sends`, { takenAt, machine, figures })
} else if (options.federation) {
  const figures = await measureFederation(options.quick ? FEDERATION_QUICK : FEDERATION_FULL)
  printFederation(machine, figures)
  save(`${takenAt}-federation`, { takenAt, machine, ...figures })
} else if (options.start) {
  const figures = await measureStart(options.quick)
  printStart(figures)
  save(`${takenAt}-start`, { takenAt, machine, figures })
} else {
  const yardstick = await measureYardstick()
  const server = await measureServer()
  const disk = options.url === undefined && options.database === 'sqlite' ? await measureDisk() : []
  const report: Report = { takenAt, machine, yardstick, server, disk }
  printReport(report)
  save(takenAt, report)
}

function save(name: string, figures: object): void {
  const folder = join(import.meta.dirname, 'results')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name.replaceAll(':', '-')}.json`), `${JSON.stringify(figures, null, 2)}\n`)
}

/** The yardstick under the same load generator: 100 senders over 100 rooms, 100 in one room, and empty answers. */
async function measureYardstick(): Promise<Report['yardstick']> {
  const running = await startYardstick()
  const http = new Http(running.url)
  const content = { msgtype: 'm.text', body: 'the quick brown fox jumps over the lazy dog '.repeat(3) }
  const send = (room: number, device: number) => http.text('POST', `/${room}/${device}`, undefined, content)
  const result = {
    emptyAnswers: await load(100, sizes.windowMs, async () => void (await http.text('GET', '/'))),
    manyRooms: await load(100, sizes.windowMs, async (worker) => void (await send(worker, worker))),
    oneRoom: await load(100, sizes.windowMs, async (worker) => void (await send(0, worker))),
  }
  http.close()
  await running.stop()
  removeFolder(running.folder)
  return result
}

async function measureServer(): Promise<Report['server']> {
  const running: Running | null = options.url === undefined ? await startHearth(options.database) : null
  const url = running?.url ?? options.url ?? ''
  const pid = running?.pid ?? (options.pid === undefined ? null : Number(options.pid))
  const http = new Http(url)
  const idleMib = residentMib(pid)
  const idleLoopMs = await loopDelayP99Ms(running?.metricsUrl ?? null, () => pause(sizes.windowMs))
  const emptyAnswers = await load(100, sizes.windowMs, async () => {
    await http.text('GET', '/_matrix/client/versions')
  })
  const world = await makeWorld(http)
  const sends = await measureSends(http, world, sizes)
  const half = (sends.manyRooms['100'] as Load).perSecond / 2
  const halfLoopMs = await loopDelayP99Ms(running?.metricsUrl ?? null, async () => {
    await halfLoad(http, world, half, sizes)
  })
  const syncLatency = await measureSyncLatency(http, world)
  const initialSync: Record<string, Load> = {}
  for (const count of sizes.initialSyncRooms) initialSync[count] = await measureInitialSync(http, count)
  const busyMib = residentMib(pid)
  http.close()
  if (running !== null) {
    await running.stop()
    removeFolder(running.folder)
  }
  return { url, idleMib, busyMib, idleLoopMs, halfLoopMs, emptyAnswers, sends, syncLatency, initialSync }
}

/** Bytes on disk after a clean stop, before and after each phase. */
async function measureDisk(): Promise<Report['disk']> {
  const rows: Report['disk'] = []
  let folder: string | undefined
  let before = 0
  for (const phase of diskPhases(sizes)) {
    const running = await startHearth('sqlite', { folder })
    folder = running.folder
    const http = new Http(running.url)
    await phase.run(http)
    http.close()
    await running.stop()
    const after = folderBytes(folder)
    if (phase.count > 0) rows.push({ name: phase.name, bytes: (after - before) / phase.count })
    before = after
  }
  if (folder !== undefined) removeFolder(folder)
  return rows
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
