/** SECURITY.md T17: SIGTERM while five hundred long polls wait and sends are under way. */
import assert from 'node:assert/strict'
import { readdirSync, statSync } from 'node:fs'
import { Agent, type ClientRequest, request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { it } from 'node:test'
import { Api, room, V3 } from '#test/system/harness/api.ts'
import { onEachDatabase } from '#test/system/harness/databases.ts'
import { Hearth } from '#test/system/harness/hearth.ts'
import { until } from '#test/system/harness/until.ts'

const LONG_POLLS = 500
const USERS = 20
const EXIT_MS_MAX = 15_000
const CONNECTIONS = 100
const PIPELINED = 60
const LOADED_EXIT_MS_MAX = 12_000

onEachDatabase('stop', (database) => {
  it('T17: each accepted request is answered, the exit is quick and clean', async (test) => {
    await using hearth = await Hearth.start({ database })
    const anyone = new Api(hearth.url)
    const users = await anyone.registerAll(Array.from({ length: USERS }, (_, i) => `user${i}`))
    const roomId = await users[0]!.createRoom({ preset: 'public_chat' })
    const sendRoom = await users[0]!.createRoom({ preset: 'public_chat' })
    // The pollers aren't in the room of the sends: only the stop ends their wait.
    const pollers = users.slice(10)
    for (const user of users.slice(1)) await user.join(pollers.includes(user) ? roomId : sendRoom)

    const polls: Promise<Outcome>[] = []
    const flushed: Promise<void>[] = []
    for (let i = 0; i < LONG_POLLS; i++) {
      const user = pollers[i % pollers.length]!
      const { next_batch: since } = i < pollers.length ? await user.sync() : { next_batch: sinces.get(user) }
      sinces.set(user, since)
      const { outcome, written } = ask(user, 'GET', `${V3}/sync?since=${since}&timeout=60000`)
      polls.push(outcome)
      flushed.push(written)
    }
    await Promise.all(flushed)
    // Connections are accepted in their order: when this one is answered, all of the others are in.
    await anyone.get('/_matrix/client/versions')

    const acknowledged: string[] = []
    const outcomes: Outcome[] = []
    const sending = users.slice(0, 10).map(async (user, u) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      for (let n = 0; ; n++) {
        const path = room(sendRoom, 'send', 'm.room.message', `${u}-${n}`)
        const outcome = await ask(user, 'PUT', path, { msgtype: 'm.text', body: `${u}-${n}` }, agent).outcome
        // The server doesn't listen any more, or stopped to before it took the connection out of the system's queue.
        if (outcome.error === 'ECONNREFUSED' || (outcome.error === 'ECONNRESET' && outcome.isNew))
          return agent.destroy()
        outcomes.push(outcome)
        if (outcome.error !== null) return agent.destroy()
        if (outcome.status === 200) acknowledged.push(outcome.body.event_id!)
      }
    })
    await until('a few sends', () => acknowledged.length > 50)
    const began = performance.now()
    const exit = await hearth.stop()
    const ms = performance.now() - began
    test.diagnostic(`exit after ${Math.round(ms)} ms with ${acknowledged.length} sends`)
    await Promise.all(sending)

    const answers = await Promise.all(polls)
    assert.deepEqual(tally(answers), { '200': LONG_POLLS })
    assert.ok(answers.every(({ body }) => typeof body.next_batch === 'string'))
    assert.deepEqual(tally(outcomes), { '200': outcomes.length })
    assert.deepEqual(exit, { code: 0, signal: null }, hearth.output)
    assert.ok(ms <= EXIT_MS_MAX, `${ms} ms`)
    if (database === 'sqlite')
      assert.equal(walBytes(join(hearth.folder, 'data')), 0, 'the next start has nothing to recover')

    await hearth.boot()
    const history = new Set((await users[0]!.history(sendRoom, 1000)).map((event) => event.event_id))
    assert.deepEqual(
      acknowledged.filter((id) => !history.has(id)),
      [],
    )
  })
})

it('T17: the end comes within 12 s whatever the load, also of clients that are gone, and looks like no defect', async (test) => {
  await using hearth = await Hearth.start({ database: 'sqlite' })
  const user = await new Api(hearth.url).register('busy')
  const roomId = await user.createRoom({ preset: 'public_chat' })
  for (let n = 0; n < 100; n++) await user.request('PUT', room(roomId, 'state', 'test.many', `${n}`), { body: { n } })
  const { hostname, port } = new URL(hearth.url)
  const head = `GET ${V3}/sync HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${user.token}\r\n\r\n`
  const answered = Promise.withResolvers<void>()
  const sockets = Array.from({ length: CONNECTIONS }, () => {
    const socket = connect(Number(port), hostname, () => socket.write(head.repeat(PIPELINED)))
    socket.on('error', () => {})
    socket.on('data', () => answered.resolve())
    return socket
  })
  await answered.promise
  for (const socket of sockets.slice(0, CONNECTIONS / 2)) socket.destroy()
  const began = performance.now()
  assert.equal((await fetch(`${hearth.url}/health`)).status, 200)
  const healthMs = performance.now() - began
  const stopped = performance.now()
  const exit = await hearth.stop()
  const ms = performance.now() - stopped
  test.diagnostic(`/health after ${Math.round(healthMs)} ms, exit after ${Math.round(ms)} ms`)
  for (const socket of sockets) socket.destroy()
  assert.deepEqual(exit, { code: 0, signal: null }, hearth.output)
  assert.ok(ms <= LOADED_EXIT_MS_MAX, `${ms} ms`)
  assert.doesNotMatch(hearth.output, /defect|failed/)
})

const sinces = new Map<Api, string>()

type Outcome = {
  readonly status: number
  readonly error: string | null
  /** No earlier request went over the connection. */
  readonly isNew: boolean
  readonly body: { next_batch?: string; event_id?: string }
}

/** A request of which one knows when its last byte left. */
function ask(api: Api, method: string, path: string, body?: object, agent?: Agent) {
  const written = Promise.withResolvers<void>()
  const outcome = new Promise<Outcome>((resolve) => {
    const fail = (error: NodeJS.ErrnoException) => {
      written.resolve()
      resolve({ status: 0, error: error.code ?? error.message, isNew: !outgoing.reusedSocket, body: {} })
    }
    const outgoing: ClientRequest = request(
      `${api.url}${path}`,
      { method, headers: { authorization: `Bearer ${api.token}` }, agent: agent ?? false },
      (answer) => {
        json(answer).then(
          (got) =>
            resolve({
              status: answer.statusCode ?? 0,
              error: null,
              isNew: !outgoing.reusedSocket,
              body: got as Outcome['body'],
            }),
          fail,
        )
      },
    )
    outgoing.on('error', fail)
    outgoing.on('finish', () => written.resolve())
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  })
  return { outcome, written: written.promise }
}

function tally(outcomes: readonly Outcome[]): Record<string, number> {
  const groups = Map.groupBy(outcomes, ({ status, error }) => error ?? String(status))
  return Object.fromEntries([...groups].map(([key, list]) => [key, list.length]))
}

function walBytes(folder: string): number {
  const files = readdirSync(folder).filter((name) => name.endsWith('-wal'))
  return files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}
