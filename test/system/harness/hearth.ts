/** Hearth as a child process, started as its users start it, that can be stopped, killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Database, type DatabaseName, freshDatabase } from '#test/system/harness/databases.ts'
import { freePort } from '#test/system/harness/free-port.ts'

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url))
const READY_MS_MAX = 30_000
const READY_CHECK_MS = 20
/** Linux counts the time of processes in hundredths of a second. */
const CLOCK_TICK_MS = 10
const OUTPUT_CHARS_MAX = 200_000

export const SERVER_NAME = 'hearth.test'

export type HearthOptions = {
  readonly database?: DatabaseName
  /** Merged over the settings of tests: no rate limits, open registration, cheap password hashes. */
  readonly config?: object
  /** Where it listens besides the port for clients. */
  readonly listeners?: readonly object[]
  /** What node itself is given before the program. */
  readonly nodeArguments?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

/** How a process ended. */
export type Exit = { readonly code: number | null; readonly signal: string | null }

export class Hearth {
  readonly url: string
  readonly folder: string
  readonly #configFile: string
  readonly #database: Database
  readonly #options: HearthOptions
  #child: ChildProcess | null = null
  #output = ''

  private constructor(folder: string, port: number, database: Database, options: HearthOptions) {
    this.#options = options
    this.folder = folder
    this.url = `http://127.0.0.1:${port}`
    this.#configFile = join(folder, 'hearth.yaml')
    this.#database = database
  }

  /** Starts a server with an empty database, and waits until it answers. */
  static async start(options: HearthOptions = {}): Promise<Hearth> {
    const folder = await mkdtemp(join(tmpdir(), 'hearth-system-'))
    const port = await freePort()
    const database = await freshDatabase(options.database ?? 'sqlite')
    const config = {
      server_name: SERVER_NAME,
      public_baseurl: `http://127.0.0.1:${port}`,
      data_dir: 'data',
      database: database.setting,
      log: { level: 'warn', format: 'json' },
      listeners: [{ host: '127.0.0.1', port, resources: ['client', 'metrics'] }, ...(options.listeners ?? [])],
      registration: { enabled: true, guests: true, shared_secret: 'shared' },
      rate_limits: false,
      password_hash: { memory_kib: 8, passes: 1 },
      ...options.config,
    }
    const hearth = new Hearth(folder, port, database, options)
    await writeFile(hearth.#configFile, JSON.stringify(config))
    try {
      await hearth.boot()
    } catch (error) {
      await hearth[Symbol.asyncDispose]()
      throw error
    }
    return hearth
  }

  /** The newest of what the server wrote to its standard output and error. */
  get output(): string {
    return this.#output
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Processor time that the process has used so far, all threads together: what a busy machine changes little. */
  get processorMs(): number {
    const stat = readFileSync(`/proc/${this.pid}/stat`, 'latin1')
    // The name before, in parentheses, may hold spaces.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Starts the process on the data that is there. Resolves with the milliseconds it took until it answered. */
  async boot(): Promise<number> {
    const began = performance.now()
    const environment = Object.entries(process.env).filter(([name]) => !name.startsWith('HEARTH_'))
    const { nodeArguments = [], environment: added = {} } = this.#options
    const child = spawn(process.execPath, [...nodeArguments, MAIN, 'start', '--config', this.#configFile], {
      env: { ...Object.fromEntries(environment), NODE_NO_WARNINGS: '1', ...added },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-OUTPUT_CHARS_MAX)
      })
    }
    while (!(await this.#answers())) {
      if (!this.isRunning) throw new Error(`Hearth ended before it was ready:\n${this.#output}`)
      if (performance.now() - began > READY_MS_MAX) throw new Error(`Hearth isn't ready:\n${this.#output}`)
      await sleep(READY_CHECK_MS)
    }
    return performance.now() - began
  }

  /** `kill -9`: what was not on disk is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** SIGTERM, as service managers stop it. Resolves when the process is gone. */
  async stop(): Promise<Exit> {
    return this.#end('SIGTERM')
  }

  /** Ends the process and removes everything it made. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning) await this.kill()
    await this.#database.remove()
    await rm(this.folder, { recursive: true, force: true })
  }

  async #end(signal: NodeJS.Signals): Promise<Exit> {
    const child = this.#child
    if (child === null) throw new Error('Hearth was never started')
    const exited = this.isRunning ? once(child, 'exit') : Promise.resolve()
    child.kill(signal)
    await exited
    return { code: child.exitCode, signal: child.signalCode }
  }

  async #answers(): Promise<boolean> {
    try {
      const response = await fetch(`${this.url}/_matrix/client/versions`, { signal: AbortSignal.timeout(2_000) })
      await response.arrayBuffer()
      return response.status === 200
    } catch {
      return false
    }
  }
}
