/** A whole Hearth in this process that serves other servers over TLS, with the real time of day unless moved. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { parseConfig } from '#config/load.ts'
import type { Services } from '#kit/services.ts'
import type { TestCa } from '#test/federation/harness/test-ca.ts'
import { Api } from '#test/system/harness/api.ts'
import { type RunningServer, startServer } from '../../../src/server.ts'

export type TlsHearthOptions = {
  readonly serverName: string
  readonly ca: TestCa
  /** Where others find it. */
  readonly federationPort: number
  /** Server name → host and port. */
  readonly others: Readonly<Record<string, string>>
  readonly config?: object
  /** Who is asked for names, instead of the system's name servers. */
  readonly nameServers?: readonly string[]
}

export class TlsHearth implements AsyncDisposable {
  readonly serverName: string
  readonly dataDir: string
  /** Every line that was logged. */
  readonly logged: string[] = []
  readonly #options: TlsHearthOptions
  readonly #files: { readonly certFile: string; readonly keyFile: string }
  #server: RunningServer | null = null
  #aheadMs = 0

  private constructor(options: TlsHearthOptions) {
    this.#options = options
    this.serverName = options.serverName
    this.dataDir = mkdtempSync(join(tmpdir(), 'hearth-federation-'))
    this.#files = options.ca.issue(options.serverName)
  }

  static async start(options: TlsHearthOptions): Promise<TlsHearth> {
    const hearth = new TlsHearth(options)
    await hearth.boot()
    return hearth
  }

  /** Where its clients reach it. */
  get url(): string {
    return this.#running().addresses[0]!.url
  }

  get federationAddress(): string {
    return `127.0.0.1:${this.#options.federationPort}`
  }

  get services(): Services {
    return this.#running().services
  }

  /** The file of its settings, as the command line would be given it. */
  get settings(): object {
    const { serverName, ca, federationPort, others, config } = this.#options
    return {
      server_name: serverName,
      public_baseurl: `https://${serverName}`,
      data_dir: this.dataDir,
      listeners: [
        { host: '127.0.0.1', port: 0, resources: ['client'] },
        {
          host: '127.0.0.1',
          port: federationPort,
          tls: { cert: this.#files.certFile, key: this.#files.keyFile },
          resources: ['federation'],
        },
      ],
      registration: { enabled: true },
      rate_limits: false,
      password_hash: { memory_kib: 8, passes: 1 },
      federation: {
        server_overrides: others,
        ca_file: ca.caFile,
        allow_ip_ranges: ['127.0.0.0/8'],
        retry: { base_ms: 50, max_ms: 200 },
      },
      ...config,
    }
  }

  async boot(): Promise<void> {
    // JSON is YAML too.
    const text = JSON.stringify(this.settings)
    const config = parseConfig(text, { source: 'test', folder: this.dataDir, environment: {} })
    const log = pino({ level: 'debug' }, { write: (line: string) => this.logged.push(line) })
    const { nameServers } = this.#options
    this.#server = await startServer(config, {
      clock: () => Date.now() + this.#aheadMs,
      randomBytes,
      log,
      ...(nameServers !== undefined && { nameServers }),
    })
  }

  /** Stops it; `boot` starts it again on the same data. */
  async stop(): Promise<void> {
    await this.#server?.stop()
    this.#server = null
  }

  /** Makes an account, logged in. */
  user(localpart: string): Promise<Api> {
    return new Api(this.url).register(localpart)
  }

  /** Moves the clock. */
  advance(ms: number): void {
    this.#aheadMs += ms
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    rmSync(this.dataDir, { recursive: true, force: true })
  }

  #running(): RunningServer {
    if (this.#server === null) throw new Error(`${this.serverName} isn't running`)
    return this.#server
  }
}
