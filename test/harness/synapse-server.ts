/** A real Synapse as a child process: SQLite, TLS for servers, plain HTTP for clients, everything on 127.0.0.1. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestCa } from '#test/federation/harness/test-ca.ts'
import type { FederatingServer } from '#test/harness/federating-server.ts'
import { Api } from '#test/system/harness/api.ts'
import { freePort } from '#test/system/harness/free-port.ts'
import { until } from '#test/system/harness/until.ts'

const READY_MS_MAX = 120_000
const OUTPUT_CHARS_MAX = 200_000
const UNLIMITED = { per_second: 100_000, burst_count: 100_000 }

export type SynapseOptions = {
  readonly serverName?: string
  /** Merged over the settings of tests. */
  readonly config?: object
}

export class SynapseServer implements FederatingServer {
  readonly name = 'synapse'
  readonly serverName: string
  /** Where its clients reach it. */
  readonly url: string
  readonly #folder: string
  readonly #python: string
  #child: ChildProcess | null = null
  #output = ''

  private constructor(python: string, folder: string, serverName: string, url: string) {
    this.#python = python
    this.#folder = folder
    this.serverName = serverName
    this.url = url
  }

  /**
   * Starts a server with an empty database, and waits until it answers. Other servers find it by its name unless it is
   * given another one.
   */
  static async start(python: string, ca: TestCa, options: SynapseOptions = {}): Promise<SynapseServer> {
    const folder = await mkdtemp(join(tmpdir(), 'hearth-synapse-'))
    const [federationPort, clientPort] = [await freePort(), await freePort()]
    const serverName = options.serverName ?? `localhost:${federationPort}`
    const synapse = new SynapseServer(python, folder, serverName, `http://127.0.0.1:${clientPort}`)
    await writeFile(join(folder, 'signing.key'), `ed25519 a_1 ${unpadded(randomBytes(32))}\n`, { mode: 0o600 })
    await writeFile(join(folder, 'log.yaml'), JSON.stringify(logConfig()))
    // JSON is YAML too.
    const config = { ...synapseConfig({ folder, serverName, federationPort, clientPort, ca }), ...options.config }
    await writeFile(join(folder, 'homeserver.yaml'), JSON.stringify(config))
    try {
      await synapse.boot()
    } catch (error) {
      await synapse[Symbol.asyncDispose]()
      throw error
    }
    return synapse
  }

  /** The newest of what it wrote to its standard output and error. */
  get output(): string {
    return this.#output
  }

  async boot(): Promise<void> {
    const args = ['-m', 'synapse.app.homeserver', '-c', join(this.#folder, 'homeserver.yaml')]
    const child = spawn(this.#python, args, { cwd: this.#folder, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-OUTPUT_CHARS_MAX)
      })
    }
    await until(
      'Synapse to answer',
      () => {
        if (child.exitCode !== null) throw new Error(`Synapse ended before it was ready:\n${this.#output}`)
        return new Api(this.url).get('/_matrix/client/versions').catch(() => null)
      },
      READY_MS_MAX,
    )
  }

  /** Ends the process; `boot` starts it again on the same data. */
  async stop(): Promise<void> {
    const child = this.#child
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
    await exited
    clearTimeout(timer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

type ConfigInput = {
  readonly folder: string
  readonly serverName: string
  readonly federationPort: number
  readonly clientPort: number
  readonly ca: TestCa
}

function synapseConfig({ folder, serverName, federationPort, clientPort, ca }: ConfigInput): object {
  const { certFile, keyFile } = ca.issue('localhost', '127.0.0.1')
  const listener = { type: 'http', bind_addresses: ['127.0.0.1'] }
  return {
    server_name: serverName,
    public_baseurl: `http://127.0.0.1:${clientPort}/`,
    pid_file: join(folder, 'synapse.pid'),
    log_config: join(folder, 'log.yaml'),
    media_store_path: join(folder, 'media'),
    signing_key_path: join(folder, 'signing.key'),
    macaroon_secret_key: 'macaroon',
    form_secret: 'form',
    registration_shared_secret: 'shared',
    report_stats: false,
    database: { name: 'sqlite3', args: { database: join(folder, 'homeserver.db') } },
    listeners: [
      { ...listener, port: federationPort, tls: true, resources: [{ names: ['federation'] }] },
      { ...listener, port: clientPort, tls: false, resources: [{ names: ['client'] }] },
    ],
    tls_certificate_path: certFile,
    tls_private_key_path: keyFile,
    federation_custom_ca_list: [ca.caFile],
    ip_range_blacklist: [],
    trusted_key_servers: [],
    suppress_key_server_warning: true,
    federation: { destination_min_retry_interval: 500, destination_max_retry_interval: 1_000 },
    enable_registration: true,
    enable_registration_without_verification: true,
    bcrypt_rounds: 4,
    // The same initial sync again is to show what is new.
    caches: { sync_response_cache_duration: 0 },
    allow_public_rooms_over_federation: true,
    allow_public_rooms_without_auth: true,
    allow_profile_lookup_over_federation: true,
    room_list_publication_rules: [{ action: 'allow' }],
    ...rateLimits(),
  }
}

function rateLimits(): object {
  return {
    rc_message: UNLIMITED,
    rc_registration: UNLIMITED,
    rc_login: { address: UNLIMITED, account: UNLIMITED, failed_attempts: UNLIMITED },
    rc_joins: { local: UNLIMITED, remote: UNLIMITED },
    rc_joins_per_room: UNLIMITED,
    rc_invites: { per_room: UNLIMITED, per_user: UNLIMITED, per_issuer: UNLIMITED },
    rc_room_creation: UNLIMITED,
    rc_admin_redaction: UNLIMITED,
    rc_presence: { per_user: UNLIMITED },
    rc_federation: { window_size: 1_000, sleep_limit: 10_000, sleep_delay: 1, reject_limit: 10_000, concurrent: 100 },
  }
}

function logConfig(): object {
  return {
    version: 1,
    formatters: { plain: { format: '%(asctime)s %(name)s %(levelname)s %(message)s' } },
    handlers: { console: { class: 'logging.StreamHandler', formatter: 'plain' } },
    root: { level: 'INFO', handlers: ['console'] },
    loggers: { 'synapse.storage.SQL': { level: 'WARNING' }, 'synapse.access': { level: 'WARNING' } },
    disable_existing_loggers: false,
  }
}

function unpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replaceAll('=', '')
}
