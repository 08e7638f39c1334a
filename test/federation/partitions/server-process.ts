/** Hearth as a process on a host of the small network. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestCa } from '#test/federation/harness/test-ca.ts'
import { address, controlAddress, type Network } from '#test/federation/partitions/network.ts'
import { ROOT } from '#test/harness/source-file.ts'
import { until } from '#test/system/harness/until.ts'

const CLIENT_PORT = 8008
const FEDERATION_PORT = 8448
const READY_MS_MAX = 60_000

export const serverName = (host: number) => `s${host}.test`

export class ServerProcess implements AsyncDisposable {
  readonly url: string
  readonly #folder: string
  readonly #child: ChildProcess
  #output = ''

  private constructor(network: Network, host: number, ca: TestCa) {
    this.url = `http://${controlAddress(host)}:${CLIENT_PORT}`
    this.#folder = mkdtempSync(join(tmpdir(), 'hearth-partition-'))
    const { certFile, keyFile } = ca.issue(serverName(host))
    const others = network.hosts.map((other) => [serverName(other), `${address(other)}:${FEDERATION_PORT}`])
    const config = {
      server_name: serverName(host),
      public_baseurl: this.url,
      data_dir: 'data',
      log: { level: 'warn', format: 'json' },
      listeners: [
        { host: controlAddress(host), port: CLIENT_PORT, resources: ['client'] },
        {
          host: address(host),
          port: FEDERATION_PORT,
          tls: { cert: certFile, key: keyFile },
          resources: ['federation'],
        },
      ],
      registration: { enabled: true },
      rate_limits: false,
      password_hash: { memory_kib: 8, passes: 1 },
      federation: {
        server_overrides: Object.fromEntries(others),
        ca_file: ca.caFile,
        allow_ip_ranges: ['10.88.0.0/24'],
        retry: { base_ms: 1_000, max_ms: 5_000 },
      },
    }
    const file = join(this.#folder, 'hearth.yaml')
    writeFileSync(file, JSON.stringify(config))
    const start = [process.execPath, join(ROOT, 'src', 'main.ts'), 'start', '--config', file]
    const [command, ...args] = network.command(host, ...start)
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
      })
    }
  }

  static async start(network: Network, host: number, ca: TestCa): Promise<ServerProcess> {
    const server = new ServerProcess(network, host, ca)
    const answers = () =>
      fetch(`${server.url}/_matrix/client/versions`).then(
        ({ ok }) => ok,
        () => false,
      )
    await until(`${serverName(host)} to answer`, answers, READY_MS_MAX).catch((error: Error) => {
      throw new Error(`${error.message}\n${server.#output}`)
    })
    return server
  }

  /** Failures that it logged. */
  get defects(): string[] {
    return this.#output.split('\n').filter((line) => /"level":[56]0/.test(line))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) {
      const exited = once(this.#child, 'exit')
      this.#child.kill('SIGKILL')
      await exited
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
