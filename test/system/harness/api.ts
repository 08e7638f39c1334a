/** A thin client of the client-server API: one user's device, and what it asks, with nothing hidden. */
import { randomUUID } from 'node:crypto'

// biome-ignore lint/suspicious/noExplicitAny: answers are whatever the server says; tests look into them freely.
export type Body = any
export type Answer = { readonly status: number; readonly body: Body; readonly headers: Headers }

export type RequestOptions = {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  /** Sent as JSON. */
  readonly body?: unknown
  /** Sent as it is, instead of `body`. */
  readonly raw?: string | Uint8Array<ArrayBuffer>
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

export type Event = {
  readonly type: string
  readonly event_id: string
  readonly sender: string
  readonly state_key?: string
  readonly origin_server_ts: number
  readonly content: Body
  readonly unsigned?: Body
}

export class RequestFailed extends Error {
  override readonly name = 'RequestFailed'
  readonly answer: Answer
  constructor(method: string, path: string, answer: Answer) {
    super(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    this.answer = answer
  }
}

export const V3 = '/_matrix/client/v3'
const REGISTRATIONS_AT_ONCE = 16
const e = encodeURIComponent

export class Api {
  readonly url: string
  readonly token: string | null
  readonly userId: string
  readonly deviceId: string

  constructor(url: string, session?: { access_token: string; user_id: string; device_id?: string }) {
    this.url = url
    this.token = session?.access_token ?? null
    this.userId = session?.user_id ?? ''
    this.deviceId = session?.device_id ?? ''
  }

  /** Asks, and returns whatever is answered. Rejects only where no answer comes. */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const given = Object.entries(options.query ?? {}).filter(([, value]) => value !== undefined)
    const query = new URLSearchParams(given.map(([key, value]) => [key, String(value)]))
    const body = options.raw ?? (options.body === undefined ? null : JSON.stringify(options.body))
    const response = await fetch(`${this.url}${path}${given.length === 0 ? '' : `?${query}`}`, {
      method,
      headers: {
        ...(this.token === null ? {} : { authorization: `Bearer ${this.token}` }),
        ...(body === null ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(body === null ? {} : { body }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      redirect: 'manual',
    })
    const text = await response.text()
    return { status: response.status, body: readBody(text), headers: response.headers }
  }

  /** Asks, and returns the body of a 200. @throws RequestFailed for every other answer */
  async ok(method: string, path: string, options: RequestOptions = {}): Promise<Body> {
    const answer = await this.request(method, path, options)
    if (answer.status !== 200) throw new RequestFailed(method, path, answer)
    return answer.body
  }

  get(path: string, query: RequestOptions['query'] = {}): Promise<Body> {
    return this.ok('GET', path, { query })
  }
  post(path: string, body: unknown = {}): Promise<Body> {
    return this.ok('POST', path, { body })
  }
  put(path: string, body: unknown = {}): Promise<Body> {
    return this.ok('PUT', path, { body })
  }
  delete(path: string, body?: unknown): Promise<Body> {
    return this.ok('DELETE', path, body === undefined ? {} : { body })
  }

  /** A new account by the dummy stage, logged in. */
  async register(username: string, password = 'sesame'): Promise<Api> {
    const body = { username, password, auth: { type: 'm.login.dummy' } }
    return new Api(this.url, await this.post(`${V3}/register`, body))
  }

  /** Several accounts, a few at a time: the queue of the password hasher is short. */
  async registerAll(usernames: readonly string[]): Promise<Api[]> {
    const made: Api[] = []
    for (let i = 0; i < usernames.length; i += REGISTRATIONS_AT_ONCE) {
      const few = usernames.slice(i, i + REGISTRATIONS_AT_ONCE)
      made.push(...(await Promise.all(few.map((username) => this.register(username)))))
    }
    return made
  }

  /** A new device of an account. */
  async login(username: string, password = 'sesame'): Promise<Api> {
    const identifier = { type: 'm.id.user', user: username }
    return new Api(this.url, await this.post(`${V3}/login`, { type: 'm.login.password', identifier, password }))
  }

  async createRoom(options: object = {}): Promise<string> {
    return (await this.post(`${V3}/createRoom`, options)).room_id
  }
  async join(roomId: string): Promise<void> {
    await this.post(`${V3}/join/${e(roomId)}`)
  }
  async invite(roomId: string, userId: string): Promise<void> {
    await this.post(room(roomId, 'invite'), { user_id: userId })
  }
  async leave(roomId: string): Promise<void> {
    await this.post(room(roomId, 'leave'))
  }

  async sendEvent(roomId: string, type: string, content: object, txnId: string = randomUUID()): Promise<string> {
    return (await this.put(room(roomId, 'send', type, txnId), content)).event_id
  }
  send(roomId: string, text: string, txnId?: string): Promise<string> {
    return this.sendEvent(roomId, 'm.room.message', { msgtype: 'm.text', body: text }, txnId)
  }
  async state(roomId: string, type: string, content: object, stateKey = ''): Promise<string> {
    return (await this.put(room(roomId, 'state', type, stateKey), content)).event_id
  }
  async redact(roomId: string, eventId: string): Promise<string> {
    return (await this.put(room(roomId, 'redact', eventId, randomUUID()))).event_id
  }

  sync(query: RequestOptions['query'] = {}): Promise<Body> {
    return this.get(`${V3}/sync`, query)
  }

  /** The room's events from its start, oldest first, as `/messages` pages through them backwards. */
  async history(roomId: string, limit = 100, from?: string): Promise<Event[]> {
    const newestFirst: Event[] = []
    let at = from
    for (;;) {
      const page = await this.get(room(roomId, 'messages'), { dir: 'b', limit, from: at })
      newestFirst.push(...page.chunk)
      if (page.end === undefined) return newestFirst.reverse()
      at = page.end
    }
  }
}

/** A path below a room: `room(id, 'send', type, txn)`. */
export function room(roomId: string, ...parts: readonly string[]): string {
  return `${V3}/rooms/${[roomId, ...parts].map(e).join('/')}`
}

function readBody(text: string): Body {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
