/**
 * SECURITY.md S47: each endpoint × each field of its path, query and body × bad values, sent by one who is in the room
 * and with everything else right, so that the values come as far as they can.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { TSchema } from 'typebox'
import type { Endpoint } from '#kit/endpoint.ts'
import { readEndpoints } from '#test/harness/operations.ts'
import { Api, room, V3 } from '#test/system/harness/api.ts'
import { BAD_BODIES, BAD_JSON, BAD_QUERIES, BAD_SEGMENTS } from '#test/system/harness/bad-values.ts'
import { onEachDatabase } from '#test/system/harness/databases.ts'
import { Hearth } from '#test/system/harness/hearth.ts'
import { operationOf } from '#test/system/harness/spec-schemas.ts'

const AT_ONCE = 16
const ANSWER_MS_MAX = 10_000
/** These may wait for news as long as they are told to. */
const LONG_POLLS: readonly (string | null)[] = ['sync', 'getEvents', 'peekEvents']
const LONG_POLL_MS = 300
/** How deep the fields of bodies are taken apart. */
const FIELD_DEPTH = 4

type Attempt = { readonly path: string; readonly body: string | Uint8Array<ArrayBuffer> | null }

onEachDatabase('bad input', (database) => {
  it('S47: no answer is 500 or more, each refusal is a standard error', { timeout: 300_000 }, async (test) => {
    await using hearth = await Hearth.start({ database })
    const began = performance.now()
    const statuses = new Map<number, number>()
    const problems: string[] = []
    let count = 0
    for (const { endpoint, resource } of await readEndpoints()) {
      if (resource !== 'client') continue
      const victim = await Victim.make(hearth.url, `u${count}`)
      const attempts = attemptsAt(endpoint, victim)
      count += attempts.length
      for (let i = 0; i < attempts.length; i += AT_ONCE) {
        const some = attempts.slice(i, i + AT_ONCE).map((attempt) =>
          assertHandled(endpoint, attempt, victim).catch((error: Error) => {
            problems.push(error.message)
            return 0
          }),
        )
        for (const status of await Promise.all(some)) statuses.set(status, (statuses.get(status) ?? 0) + 1)
      }
      await victim.assertReadable().catch((error: Error) => problems.push(`after ${endpoint.spec}: ${error.message}`))
    }
    assert.deepEqual(problems.slice(0, 100), [], `${problems.length} problems`)
    assert.ok(hearth.isRunning)
    assert.doesNotMatch(hearth.output, /"level":(?:50|60)/, hearth.output)
    const seconds = Math.round((performance.now() - began) / 1000)
    const tally = [...statuses].sort(([a], [b]) => a - b).map(([status, n]) => `${status}: ${n}`)
    test.diagnostic(`${count} requests in ${seconds} s; ${tally.join(', ')}`)
    assert.ok((statuses.get(200) ?? 0) > 0 && (statuses.get(400) ?? 0) > 0)
  })
})

/** Somebody with a room of their own, where values can do their work. */
class Victim {
  readonly api: Api
  readonly params: Readonly<Record<string, string>>
  readonly #watcher: Api
  readonly #roomId: string

  private constructor(api: Api, watcher: Api, roomId: string, eventId: string, filterId: string) {
    this.api = api
    this.#watcher = watcher
    this.#roomId = roomId
    this.params = {
      userId: api.userId,
      deviceId: api.deviceId,
      roomId,
      roomIdOrAlias: roomId,
      roomAlias: `#${roomId.slice(1, 9)}:${api.userId.split(':')[1]}`,
      eventId,
      filterId,
      kind: 'override',
      ruleId: 'rule',
      keyName: 'displayname',
      receiptType: 'm.read',
      eventType: 'm.room.message',
      stateKey: '',
      type: 'test.data',
    }
  }

  static async make(url: string, name: string): Promise<Victim> {
    const api = await new Api(url).register(name)
    const watcher = await new Api(url).register(`${name}-watcher`)
    const roomId = await api.createRoom({ preset: 'public_chat' })
    await watcher.join(roomId)
    const eventId = await api.send(roomId, 'hello')
    const filter = await api.post(`${V3}/user/${encodeURIComponent(api.userId)}/filter`, {})
    return new Victim(api, watcher, roomId, eventId, filter.filter_id)
  }

  /** Whatever was accepted, the room and the accounts still work for others. */
  async assertReadable(): Promise<void> {
    await this.#watcher.sync()
    await this.#watcher.history(this.#roomId, 1000)
    await this.#watcher.get(room(this.#roomId, 'members'))
    const again = await this.api.request('GET', `${V3}/sync`)
    assert.ok(again.status === 200 || again.status === 401, `sync: ${again.status} ${JSON.stringify(again.body)}`)
  }
}

async function assertHandled(endpoint: Endpoint, { path, body }: Attempt, { api }: Victim): Promise<number> {
  const what = `${endpoint.method} ${path.slice(0, 300)} ${String(body ?? '').slice(0, 300)}`
  const mayWait = LONG_POLLS.includes(endpoint.spec)
  const signal = AbortSignal.timeout(mayWait ? LONG_POLL_MS : ANSWER_MS_MAX)
  let answer: Awaited<ReturnType<Api['request']>>
  try {
    answer = await api.request(endpoint.method, path, { signal, ...(body === null ? {} : { raw: body }) })
  } catch (error) {
    if (mayWait && signal.aborted) return 200
    throw new Error(`no answer to ${what}`, { cause: error })
  }
  const { status, body: answered, headers } = answer
  // A name that passes for another server's is asked, in vain: that failure is not ours.
  const isElsewhere = status === 502 && String(answered?.error).includes(' be asked: ')
  assert.ok(status < 500 || isElsewhere, `${what}: ${status} ${JSON.stringify(answered)}`)
  // Our own pages answer browsers, and a plain file isn't JSON.
  const isPage = endpoint.spec === null && headers.get('content-type')?.startsWith('text/') === true
  if (status < 400 || isPage) return status
  assert.equal(typeof answered, 'object', what)
  const isFlows = status === 401 && Array.isArray(answered.flows)
  assert.ok(isFlows || /^M_[A-Z_]+$/.test(answered.errcode), `${what}: ${status} ${JSON.stringify(answered)}`)
  assert.ok(isFlows || typeof answered.error === 'string', what)
  return status
}

function attemptsAt(endpoint: Endpoint, victim: Victim): Attempt[] {
  const bodies = bodiesOf(endpoint)
  const hasBody = endpoint.method !== 'GET'
  const good = hasBody ? JSON.stringify(sample(endpoint.body ?? {}, '', victim)) : null
  const attempts: Attempt[] = []
  for (const path of endpoint.paths.filter((path) => !path.startsWith('/_matrix/client/r0/'))) {
    const at = (bad: string | null, value: string) =>
      path.replaceAll(/\{(\w+)\}/g, (_all, name: string) =>
        name === bad ? value : encodeURIComponent(victim.params[name] ?? 'x'),
      )
    for (const name of path.matchAll(/\{(\w+)\}/g)) {
      for (const value of BAD_SEGMENTS) attempts.push({ path: at(name[1]!, value), body: good })
    }
    for (const name of Object.keys(endpoint.query)) {
      for (const value of BAD_QUERIES) attempts.push({ path: `${at(null, '')}?${name}=${value}`, body: good })
      attempts.push({ path: `${at(null, '')}?${name}=1&${name}=2`, body: good })
    }
    for (const body of bodies) attempts.push({ path: at(null, ''), body: fill(body, endpoint, victim) })
    if (!hasBody) attempts.push({ path: at(null, ''), body: null })
  }
  return attempts
}

type BadBody = string | Uint8Array<ArrayBuffer> | { readonly at: readonly string[]; readonly value: string | null }

/** Each bad value at each field that the endpoint or the specification knows, and at one that nobody knows. */
function bodiesOf(endpoint: Endpoint): BadBody[] {
  if (endpoint.method === 'GET') return []
  const spec = operationOf(endpoint.method, endpoint.paths[0]!.replaceAll(/\{\w+\}/g, 'x'))?.request ?? {}
  const fields = new Map<string, readonly string[]>()
  for (const at of [...fieldsOf(endpoint.body ?? {}), ...fieldsOf(spec as TSchema), ['test.unknown']]) {
    fields.set(JSON.stringify(at), at)
  }
  const single = [...fields.values()].flatMap((at) => [null, ...BAD_JSON].map((value) => ({ at, value })))
  return [...BAD_BODIES, ...BAD_JSON, ...single]
}

type Shape = {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Shape>>
  readonly required?: readonly string[]
  readonly items?: Shape
  readonly anyOf?: readonly Shape[]
  readonly oneOf?: readonly Shape[]
  readonly allOf?: readonly Shape[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
}

function fieldsOf(schema: TSchema | object, depth = 0): (readonly string[])[] {
  const { properties, items, anyOf, oneOf, allOf } = schema as Shape
  if (depth > FIELD_DEPTH) return []
  const below = [...(anyOf ?? []), ...(oneOf ?? []), ...(allOf ?? [])].flatMap((part) => fieldsOf(part, depth))
  const inItems = items === undefined ? [] : fieldsOf(items, depth + 1).map((at) => ['0', ...at])
  const own = Object.entries(properties ?? {}).flatMap(([name, shape]) => [
    [name],
    ...fieldsOf(shape, depth + 1).map((at) => [name, ...at]),
  ])
  return [...own, ...inItems, ...below]
}

/** A body that the schema takes, with ids that mean something. */
function sample(schema: TSchema | object, name: string, victim: Victim): unknown {
  const { type, properties, required, items, anyOf, oneOf, const: constant, enum: values } = schema as Shape
  if (constant !== undefined) return constant
  if (values !== undefined) return values[0]
  const choice = (anyOf ?? oneOf)?.[0]
  if (choice !== undefined) return sample(choice, name, victim)
  if (type === 'array') return [sample(items ?? {}, name, victim)]
  if (type === 'integer' || type === 'number') return 1
  if (type === 'boolean') return true
  if (type === 'string') return name.endsWith('user_id') ? victim.api.userId : (victim.params[name] ?? 'x')
  const names = Object.keys(properties ?? {}).filter((key) => required?.includes(key) === true)
  return Object.fromEntries(names.map((key) => [key, sample(properties![key]!, key, victim)]))
}

/** The text of a good body with one field replaced by a bad value, or left out. */
function fill(bad: BadBody, endpoint: Endpoint, victim: Victim): string | Uint8Array<ArrayBuffer> {
  if (typeof bad === 'string' || bad instanceof Uint8Array) return bad
  const good = sample(endpoint.body ?? {}, '', victim)
  const root: Record<string, unknown> = typeof good === 'object' && good !== null ? { ...good } : {}
  const marker = '\u0001bad\u0001'
  let parent = root
  let shape: Shape = endpoint.body ?? {}
  for (const [i, key] of bad.at.entries()) {
    shape = (key === '0' ? shape.items : shape.properties?.[key]) ?? {}
    if (i === bad.at.length - 1) {
      if (bad.value === null) delete parent[key]
      else parent[key] = marker
    } else {
      const known =
        parent[key] ?? (bad.at[i + 1] === '0' ? [sample(shape.items ?? {}, key, victim)] : sample(shape, key, victim))
      parent[key] = typeof known === 'object' && known !== null ? known : {}
      parent = parent[key] as Record<string, unknown>
    }
  }
  return JSON.stringify(root).replace(JSON.stringify(marker), () => bad.value ?? '')
}
