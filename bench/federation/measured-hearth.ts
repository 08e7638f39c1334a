/**
 * A Hearth in a process of its own that speaks with other servers, looked at from outside. BENCH_NODE_ARGUMENTS are
 * given to its node, such as `--cpu-prof`.
 */
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { TestCa } from '#test/federation/harness/test-ca.ts'
import type { HostileServer } from '#test/federation/hostile-server.ts'
import { freePort } from '#test/system/harness/free-port.ts'
import { Hearth } from '#test/system/harness/hearth.ts'
import type { Slices } from './slices.ts'

export const HEARTH_NAME = 'hearth.example'

export class MeasuredHearth implements AsyncDisposable {
  readonly serverName = HEARTH_NAME
  readonly federationAddress: string
  readonly #hearth: Hearth
  readonly #socket: string

  private constructor(hearth: Hearth, federationPort: number, socket: string) {
    this.#hearth = hearth
    this.#socket = socket
    this.federationAddress = `127.0.0.1:${federationPort}`
  }

  static async start(ca: TestCa, others: readonly HostileServer[]): Promise<MeasuredHearth> {
    const port = await freePort()
    const { certFile, keyFile } = ca.issue(HEARTH_NAME)
    const socket = join(ca.folder, `slices-${port}.sock`)
    const hearth = await Hearth.start({
      config: {
        server_name: HEARTH_NAME,
        federation: {
          server_overrides: Object.fromEntries(others.map((other) => [other.serverName, other.federationAddress])),
          ca_file: ca.caFile,
          allow_ip_ranges: ['127.0.0.0/8'],
        },
      },
      listeners: [{ host: '127.0.0.1', port, tls: { cert: certFile, key: keyFile }, resources: ['federation'] }],
      nodeArguments: [
        '--import',
        join(import.meta.dirname, 'slices.ts'),
        ...(process.env['BENCH_NODE_ARGUMENTS']?.split(' ') ?? []),
      ],
      environment: { SLICES_SOCKET: socket },
    })
    return new MeasuredHearth(hearth, port, socket)
  }

  get url(): string {
    return this.#hearth.url
  }

  /** The longest turns of its event loop since the last look. */
  async slices(): Promise<Slices> {
    const connection = connect(this.#socket)
    const chunks: Buffer[] = []
    connection.on('data', (chunk: Buffer) => chunks.push(chunk))
    await once(connection, 'close')
    return JSON.parse(Buffer.concat(chunks).toString()) as Slices
  }

  /** From here on the peak of its resident memory counts. */
  forgetPeak(): void {
    writeFileSync(`/proc/${this.#hearth.pid}/clear_refs`, '5')
  }

  get peakMib(): number {
    return this.#statusMib('VmHWM')
  }

  get residentMib(): number {
    return this.#statusMib('VmRSS')
  }

  /** Processor time that its main thread has used so far. */
  get mainThreadMs(): number {
    const [nanoseconds] = readFileSync(`/proc/${this.#hearth.pid}/task/${this.#hearth.pid}/schedstat`, 'utf8').split(
      ' ',
    )
    return Number(nanoseconds) / 1e6
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hearth.isRunning) await this.#hearth.stop()
    await this.#hearth[Symbol.asyncDispose]()
  }

  #statusMib(name: string): number {
    const status = readFileSync(`/proc/${this.#hearth.pid}/status`, 'utf8')
    const line = status.split('\n').find((text) => text.startsWith(`${name}:`)) ?? ''
    return Number.parseInt(line.slice(name.length + 1), 10) / 1024
  }
}
