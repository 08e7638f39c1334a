/**
 * SECURITY.md S47: each endpoint × each field of its path, query and body × bad values, sent by one who is in the room
 * and with everything else right, so that the values come as far as they can.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Endpoint } from '#kit/endpoint.ts'
import { readEndpoints } from '#test/harness/operations.ts'
import { Api, room, V3 } from '#test/system/harness/api.ts'
import { type Attempt, attemptsAt } from '#test/system/harness/attempts.ts'
import { onEachDatabase } from '#test/system/harness/databases.ts'
import { Hearth } from '#test/system/harness/hearth.ts'

const AT_ONCE = 16
const ANSWER_MS_MAX = 10_000
/** These may wait for news as long as they are told to. */
const LONG_POLLS: readonly (string | null)[] = ['sync', 'getEvents', 'peekEvents']
const LONG_POLL_MS = 300
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
  readonly userId: string
  readonly params: Readonly<Record<string, string>>
  readonly #watcher: Api
  readonly #roomId: string

  private constructor(api: Api, watcher: Api, roomId: string, eventId: string, filterId: string) {
    this.api = api
    this.userId = api.userId
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
