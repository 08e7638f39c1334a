/** Starts what is measured as processes of their own, and looks at them from outside. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Http } from './http.ts'

const root = join(import.meta.dirname, '..')

export type Running = {
  readonly url: string
  readonly metricsUrl: string | null
  readonly pid: number | null
  readonly folder: string
  stop(): Promise<void>
}

type HearthOptions = {
  /** Of an earlier one, with its database; by default a new one. */
  readonly folder?: string | undefined
  /** The checkout that is run, and the file in it. */
  readonly source?: string
  readonly program?: string
  readonly nodeArguments?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

/** A Hearth with rate limits off, open registration, and cheap passwords, since logins aren't measured. */
export async function startHearth(database: string, options: HearthOptions = {}): Promise<Running> {
  const { folder = newFolder(), source = root, program = 'src/main.ts', nodeArguments = [], environment = {} } = options
  const [port, metricsPort] = [await freePort(), await freePort()]
  const config = join(folder, 'config.json')
  writeFileSync(
    config,
    JSON.stringify({
      server_name: 'localhost',
      data_dir: join(folder, 'data'),
      database,
      log: { level: 'warn', format: 'json' },
      listeners: [
        { host: '127.0.0.1', port, resources: ['client'] },
        { host: '127.0.0.1', port: metricsPort, resources: ['metrics'] },
      ],
      registration: { enabled: true },
      rate_limits: false,
      password_hash: { memory_kib: 64, passes: 1 },
    }),
  )
  const child = spawn(process.execPath, [...nodeArguments, join(source, program), 'start', '--config', config], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...environment },
  })
  const url = `http://127.0.0.1:${port}`
  await answers(`${url}`, '/_matrix/client/versions', child)
  const metricsUrl = `http://127.0.0.1:${metricsPort}`
  return { url, metricsUrl, pid: child.pid ?? null, folder, stop: () => stop(child) }
}

export async function startYardstick(): Promise<Running> {
  const folder = newFolder()
  const child = spawn(process.execPath, [join(root, 'bench/yardstick-server.ts'), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(child.stdout as NonNullable<typeof child.stdout>, 'data')) as [Buffer]
  const url = `http://127.0.0.1:${line.toString('utf8').trim()}`
  return { url, metricsUrl: null, pid: child.pid ?? null, folder, stop: () => stop(child) }
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
}

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'hearth-bench-'))
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

async function answers(url: string, path: string, child: ChildProcess): Promise<void> {
  const http = new Http(url)
  for (;;) {
    if (child.exitCode !== null) throw new Error(`The server ended with exit code ${child.exitCode}`)
    const up = await http.text('GET', path).then(
      ({ status }) => status === 200,
      () => false,
    )
    if (up) return http.close()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Resident memory of a process in MiB, from /proc; null where there is none. */
export function residentMib(pid: number | null): number | null {
  if (pid === null) return null
  try {
    const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kib === undefined ? null : Number(kib) / 1024
  } catch {
    return null
  }
}

/** Bytes of all files below a folder. */
export function folderBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}
