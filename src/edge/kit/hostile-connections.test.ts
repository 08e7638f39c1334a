/** Connections that hold what they can: bodies without an end, requests in a row, and clients that go away. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { Type } from 'typebox'
import { MatrixError } from '#core/matrix-error.ts'
import { BodyBudget } from '#kit/body-budget.ts'
import { ConnectionCounts, PIPELINED_MAX } from '#kit/connections.ts'
import { endpoint } from '#kit/endpoint.ts'
import { speaksForMany } from '#kit/speaks-for-many.ts'
import { type KitServer, startKitServer } from '#test/harness/kit-server.ts'

const MIB = 1024 * 1024
const body = Type.Object({})

function open({ port }: KitServer): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  return socket
}

/** What a connection gives until it holds `text`, or ends. */
function until(socket: Socket, text: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  let received = ''
  const onData = (chunk: Buffer) => {
    received += String(chunk)
    if (received.includes(text)) end()
  }
  const end = () => {
    socket.off('data', onData).off('close', end)
    resolve(received)
  }
  socket.on('data', onData).on('close', end)
  return promise
}

const head = (method: string, path: string, ...headers: string[]) =>
  [`${method} ${path} HTTP/1.1`, 'Host: x', ...headers, '', ''].join('\r\n')

describe('a body', () => {
  const signed = endpoint({
    spec: null,
    method: 'PUT',
    path: '/signed',
    auth: 'server',
    rateLimit: false,
    body,
    handle: () => ({}),
  })
  const ofUser = endpoint({
    spec: null,
    method: 'PUT',
    path: '/user',
    auth: 'user',
    rateLimit: false,
    body,
    handle: () => ({}),
  })
  const limited = endpoint({
    spec: null,
    method: 'POST',
    path: '/limited',
    auth: 'none',
    rateLimit: 'message',
    body,
    handle: () => ({}),
  })
  const authenticateServer = async ({ authorization }: { authorization: readonly string[] }) => {
    throw new MatrixError('M_UNAUTHORIZED', `not ${authorization.length}`)
  }

  for (const [what, method, path, status] of [
    ['of a server that signed nothing', 'PUT', '/signed', 401],
    ['of somebody without a token', 'PUT', '/user', 401],
    ['of an unknown endpoint', 'PUT', '/unknown', 404],
    ['past a rate limit', 'POST', '/limited', 429],
  ] as const) {
    it(`${what} is refused before it is there`, async () => {
      const limits = { message: { perSecond: 1, burst: 1 } }
      await using kit = await startKitServer([signed, ofUser, limited], { limits, authenticateServer })
      if (status === 429) await fetch(`${kit.url}/limited`, { method: 'POST' })
      const socket = open(kit)
      socket.write(head(method, path, 'Content-Length: 900000'))
      assert.match(await until(socket, '\r\n\r\n'), new RegExp(`^HTTP/1.1 ${status} `))
      socket.destroy()
    })
  }

  it('that is refused in the middle is answered, and the connection goes on after it', async () => {
    await using kit = await startKitServer([ofUser])
    const socket = open(kit)
    const chunked = head('PUT', '/user', 'Authorization: Bearer alice', 'Transfer-Encoding: chunked')
    socket.write(chunked)
    for (let sent = 0; sent <= 2 * MIB; sent += 65_536) {
      socket.write(`10000\r\n${'x'.repeat(65_536)}\r\n`)
    }
    assert.match(await until(socket, '}'), /^HTTP\/1.1 413 /)
    socket.write(`0\r\n\r\n${head('GET', '/health')}`)
    assert.match(await until(socket, 'ok'), /^HTTP\/1.1 200 /)
    socket.destroy()
  })

  it('has room only where its address and all together hold little', async () => {
    const bodyBudget = new BodyBudget({ totalBytes: 250_000, addressBytes: 150_000 })
    await using kit = await startKitServer([ofUser], { bodyBudget, trustedProxies: ['127.0.0.1'] })
    const send = (address: string) => {
      const socket = open(kit)
      const headers = ['Authorization: Bearer alice', `X-Forwarded-For: ${address}`, 'Content-Length: 500000']
      socket.write(head('PUT', '/user', ...headers) + 'x'.repeat(100_000))
      return socket
    }
    const held = async (bytes: number) => {
      while (bodyBudget.held !== bytes) await new Promise(setImmediate)
    }
    const first = send('198.51.100.1')
    await held(100_000)
    assert.match(await until(send('198.51.100.1'), 'retry_after_ms'), /^HTTP\/1.1 429 /)
    await held(100_000)
    const second = send('198.51.100.2')
    await held(200_000)
    assert.match(await until(send('198.51.100.3'), 'retry_after_ms'), /^HTTP\/1.1 503 .*\r\nretry-after: 2\r\n/s)
    for (const socket of [first, second]) socket.destroy()
    await held(0)
  })
})

describe('connections', () => {
  it('of one address are capped', async () => {
    const connectionCounts = new ConnectionCounts({ perAddressMax: 2, isExempt: () => false })
    await using kit = await startKitServer([], { connectionCounts })
    const sockets = [open(kit), open(kit)]
    for (const socket of sockets) {
      socket.write(head('GET', '/health'))
      assert.match(await until(socket, 'ok'), /200/)
    }
    const third = open(kit)
    third.write(head('GET', '/health'))
    assert.equal(await until(third, 'ok'), '')
    sockets[0]!.destroy()
    await once(sockets[0]!, 'close')
    while (connectionCounts.admit('127.0.0.1') === null) await new Promise(setImmediate)
    sockets[1]!.destroy()
  })

  it('are counted by network, and not where an address speaks for many', () => {
    const counts = new ConnectionCounts({ perAddressMax: 1, isExempt: speaksForMany(['192.0.2.0/24', '2001:db8::1']) })
    assert.notEqual(counts.admit('198.51.100.1'), null)
    assert.equal(counts.admit('::ffff:198.51.100.1'), null)
    const leave = counts.admit('2001:db8:1:1::1')
    assert.equal(counts.admit('2001:db8:1:1::2'), null)
    leave?.()
    assert.notEqual(counts.admit('2001:db8:1:1::2'), null)
    for (const address of ['127.0.0.1', '::1', '192.0.2.7', '::ffff:192.0.2.7', '2001:db8::1']) {
      assert.notEqual(counts.admit(address), null)
      assert.notEqual(counts.admit(address), null, address)
    }
    assert.equal(counts.size, 2)
  })
})

describe('requests in a row on one connection', () => {
  /** An endpoint whose requests end one by one. */
  function held() {
    const ends: (() => void)[] = []
    const seen = { begun: 0, running: 0, most: 0, gone: 0 }
    const wait = endpoint({
      spec: null,
      method: 'GET',
      path: '/wait',
      auth: 'none',
      rateLimit: false,
      async handle({ signal }) {
        signal.addEventListener('abort', () => {
          seen.gone += 1
        })
        seen.begun += 1
        seen.running += 1
        seen.most = Math.max(seen.most, seen.running)
        await new Promise<void>((resolve) => ends.push(resolve))
        seen.running -= 1
        return { done: true }
      },
    })
    const end = async () => {
      while (ends.length === 0) await new Promise(setImmediate)
      ends.shift()?.()
    }
    return { wait, end, seen, ends }
  }

  it('are worked on one at a time, and refused past the limit', async () => {
    const { wait, end, seen } = held()
    await using kit = await startKitServer([wait])
    const socket = open(kit)
    const count = PIPELINED_MAX + 1
    socket.write(head('GET', '/wait').repeat(count + 5) + head('GET', '/health'))
    const all = until(socket, 'last')
    for (let i = 0; i < count; i++) await end()
    socket.write(head('GET', '/last', 'Connection: close'))
    const answers = await all
    assert.equal(answers.match(/"done":true/g)?.length, count)
    assert.equal(answers.match(/HTTP\/1.1 429 /g)?.length, 6)
    assert.deepEqual([seen.begun, seen.most], [count, 1])
  })

  it('are not begun when the client is gone, and hold up no stop', async () => {
    const { wait, end, seen } = held()
    const kit = await startKitServer([wait], { drainMsMax: 600_000 })
    const sockets = Array.from({ length: 5 }, () => open(kit))
    for (const socket of sockets) socket.write(head('GET', '/wait').repeat(60))
    while (seen.begun < 5) await new Promise(setImmediate)
    for (const socket of sockets) socket.destroy()
    while (seen.gone < 5) await new Promise(setImmediate)
    for (let i = 0; i < 5; i++) await end()
    await kit.server.stop()
    assert.equal(seen.begun, 5)
  })

  it('that a stop cuts off are answered with 503, and are no defects', async () => {
    const { wait, ends, seen } = held()
    const failing = endpoint({
      spec: null,
      method: 'GET',
      path: '/failing',
      auth: 'none',
      rateLimit: false,
      async handle() {
        seen.begun += 1
        await new Promise<void>((resolve) => ends.push(resolve))
        throw new Error('closed under its hands')
      },
    })
    const kit = await startKitServer([wait, failing], { drainMsMax: 20 })
    const [first, second] = [open(kit), open(kit)]
    first.write(head('GET', '/wait').repeat(3))
    second.write(head('GET', '/failing'))
    while (seen.begun < 2) await new Promise(setImmediate)
    const answers = [until(first, 'nothing'), until(second, 'nothing')]
    await kit.server.stop()
    const [ofFirst = '', ofSecond = ''] = await Promise.all(answers)
    for (const answer of [ofFirst, ofSecond]) {
      assert.match(answer, /^HTTP\/1.1 503 /)
      assert.match(answer, /\r\nretry-after: 5\r\n/i)
      assert.match(answer, /\r\nconnection: close\r\n/i)
    }
    for (const end of ends) end()
    await new Promise(setImmediate)
    assert.equal(seen.begun, 2)
    assert.deepEqual(
      kit.logged.filter((line) => /defect|"level":50/.test(line)),
      [],
    )
  })
})
