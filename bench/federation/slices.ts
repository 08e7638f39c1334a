/**
 * Loaded into a server that is measured (`node --import`): how long one turn of its event loop holds the main thread.
 * Whoever connects to the socket that SLICES_SOCKET names is told, and with that the measuring starts anew.
 */
import { createServer } from 'node:net'
import { isMainThread } from 'node:worker_threads'

/** The longest turns of the event loop since the last look, in milliseconds. */
export type Slices = {
  /** Time of day that went by. */
  readonly wallMs: number
  /** Processor time of the main thread. */
  readonly cpuMs: number
  /** Turns of more than 20 ms of processor time. */
  readonly overLimit: number
}

const TICK_MS = 1
const LIMIT_MS = 20
const NOTHING: Slices = { wallMs: 0, cpuMs: 0, overLimit: 0 }

/** Watches this thread's event loop from now on. The answer tells of the time since the last one. */
export function watchSlices(): () => Slices {
  let longest = NOTHING
  let wallAt = performance.now()
  let cpuAt = threadCpuMs()
  // Runs once a turn where turns are longer than that: what went by in between is one turn.
  setInterval(() => {
    const wallMs = performance.now() - wallAt
    const cpuMs = threadCpuMs() - cpuAt
    wallAt += wallMs
    cpuAt += cpuMs
    longest = {
      wallMs: Math.max(longest.wallMs, wallMs),
      cpuMs: Math.max(longest.cpuMs, cpuMs),
      overLimit: longest.overLimit + (cpuMs > LIMIT_MS ? 1 : 0),
    }
  }, TICK_MS).unref()
  return () => {
    const read = longest
    longest = NOTHING
    return read
  }
}

/** Processor time that this thread has used. */
export function threadCpuMs(): number {
  // Linux brings a running thread's figure up to date once a tick, which is 4 ms, and when the process's own is read.
  process.cpuUsage()
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

function tellBy(path: string): void {
  const read = watchSlices()
  const server = createServer((connection) => connection.end(JSON.stringify(read())))
  server.listen(path)
  server.unref()
}

const socket = process.env['SLICES_SOCKET']
// Other threads load this too.
if (isMainThread && socket !== undefined) tellBy(socket)
