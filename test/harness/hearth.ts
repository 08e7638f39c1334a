/** A whole server for tests: real HTTP, a fresh SQLite database, a clock that stands still unless moved. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { stringify } from 'yaml'
import { parseConfig } from '#config/load.ts'
import type { Services } from '#kit/services.ts'
import { type Surroundings, startServer } from '../../src/server.ts'

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
export type Reply = { readonly status: number; readonly body: any; readonly headers: Headers; readonly text: string }

export type RequestOptions = {
  readonly token?: string | null
  /** Sent as JSON; a string or bytes as they are. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export type Hearth = AsyncDisposable & {
  readonly url: string
  readonly dataDir: string
  readonly services: Services
  /** Every line that was logged. */
  readonly logged: readonly string[]
  /** `path` may leave out `/_matrix/client/v3`. */
  request(method: string, path: string, options?: RequestOptions): Promise<Reply>
  /** Makes an account and logs in. */
  user(localpart: string): Promise<TestUser>
  /** Moves the clock. */
  advance(ms: number): void
}

export type TestUser = {
  readonly userId: string
  readonly deviceId: string
  readonly token: string
  readonly password: string
}

const V3 = '/_matrix/client/v3'

/** `settings` are those of the configuration file, over defaults made for tests. */
export async function startHearth(
  settings: Readonly<Record<string, unknown>> = {},
  surroundings: Partial<Surroundings> = {},
): Promise<Hearth> {
  const dataDir = await mkdtemp(join(tmpdir(), 'hearth-'))
  const config = parseConfig(
    stringify({
      server_name: 'hearth.example',
      public_baseurl: 'https://matrix.hearth.example',
      data_dir: dataDir,
      listeners: [{ host: '127.0.0.1', port: 0, resources: ['client', 'metrics'] }],
      registration: { enabled: true, guests: true },
      rate_limits: false,
      password_hash: { memory_kib: 8, passes: 1 },
      ...settings,
    }),
    { source: 'test', folder: dataDir, environment: {} },
  )
  let now = 1_700_000_000_000
  const logged: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => logged.push(line) })
  const server = await startServer(config, { clock: () => now, randomBytes, log, ...surroundings })
  const url = server.addresses[0]?.url ?? ''

  async function request(method: string, path: string, options: RequestOptions = {}): Promise<Reply> {
    const { token, body, headers } = options
    const response = await fetch(url + (path.startsWith('/_') || path.startsWith('/.') ? path : V3 + path), {
      method,
      headers: {
        ...(token != null && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: isRaw(body) ? body : JSON.stringify(body) }),
      redirect: 'manual',
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false
    return { status: response.status, body: isJson ? JSON.parse(text) : null, headers: response.headers, text }
  }

  async function user(localpart: string): Promise<TestUser> {
    const password = `password of ${localpart}`
    await server.services.accounts.createAccount({ localpart, password, admin: false })
    const { body } = await request('POST', '/login', {
      body: { type: 'm.login.password', identifier: { type: 'm.id.user', user: localpart }, password },
    })
    return { userId: body.user_id, deviceId: body.device_id, token: body.access_token, password }
  }

  return {
    url,
    dataDir,
    services: server.services,
    logged,
    request,
    user,
    advance: (ms) => {
      now += ms
    },
    async [Symbol.asyncDispose]() {
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

function isRaw(body: unknown): body is string | Uint8Array<ArrayBuffer> {
  return typeof body === 'string' || body instanceof Uint8Array
}
