/** A bot on matrix-nio, a client library that shares no code with matrix-js-sdk. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const SCRIPT = fileURLToPath(new URL('../clients/echo_bot.py', import.meta.url))
/** Debian's python3-matrix-nio belongs to Debian's Python. */
const PYTHON = '/usr/bin/python3'

export class NioBot {
  readonly #child: ChildProcess
  #output = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text: Buffer) => (this.#output += text))
  }

  /** Logs in and syncs. Resolves when its first sync is in. */
  static async start(url: string, userId: string, password: string): Promise<NioBot> {
    const child = spawn(PYTHON, [SCRIPT, url, userId, password], { stdio: ['ignore', 'pipe', 'pipe'] })
    const bot = new NioBot(child)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    child.stdout.on('data', () => {
      if (bot.#output.includes('ready\n')) resolve()
    })
    child.once('exit', () => reject(new Error(`the bot ended:\n${bot.#output}`)))
    await promise
    return bot
  }

  /** What it printed, its errors among it. */
  get output(): string {
    return this.#output
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await exited
  }
}
