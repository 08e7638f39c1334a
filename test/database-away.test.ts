/** PostgreSQL goes away under a running server, and comes back. */
import assert from 'node:assert/strict'
import { connect, createServer, type Socket } from 'node:net'
import { it } from 'node:test'
import { startHearth } from '#test/harness/hearth.ts'
import { freshDatabase } from '#test/system/harness/databases.ts'
import { until } from '#test/system/harness/until.ts'

const POSTGRES = process.env['HEARTH_TEST_POSTGRES']
const skip = POSTGRES === undefined ? 'PostgreSQL is NOT tested: HEARTH_TEST_POSTGRES is not set' : false

it('requests get 503 and say when to come again, /health says why, and nothing looks like a defect', {
  skip,
}, async () => {
  const database = await freshDatabase('postgres')
  const way = await startWay(database.setting)
  try {
    await using hearth = await startHearth({ database: way.url })
    const user = await hearth.user('alice')
    const account = (type: string) =>
      hearth.request('PUT', `/user/${user.userId}/account_data/${type}`, { token: user.token, body: {} })
    assert.equal((await account('before')).status, 200)
    way.close()
    for (const reply of [await account('away'), await hearth.request('GET', '/joined_rooms', { token: user.token })]) {
      assert.deepEqual([reply.status, reply.body.errcode], [503, 'M_UNKNOWN'])
      assert.equal(reply.headers.get('retry-after'), '5')
    }
    const health = () => fetch(`${hearth.url}/health`)
    const ill = await health()
    assert.deepEqual([ill.status, await ill.text()], [503, "The database can't be reached\n"])
    way.open()
    await until('a healthy server', async () => (await health()).status === 200)
    assert.equal((await account('after')).status, 200)
    way.close()
    await hearth.services.sessions.authenticate(user.token, { ip: '127.0.0.1' })
    assert.deepEqual(
      hearth.logged.filter((line) => /defect|"level":[56]0.*"stack"/.test(line)),
      [],
    )
  } finally {
    way.close()
    await database.remove()
  }
})

/** A way to the database server that can be closed. */
async function startWay(database: string) {
  const url = new URL(database)
  const target = { host: url.hostname, port: Number(url.port) }
  const sockets = new Set<Socket>()
  let isOpen = true
  const proxy = createServer((client) => {
    if (!isOpen) {
      client.destroy()
      return
    }
    const server = connect(target)
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
    client.pipe(server)
    server.pipe(client)
    client.on('close', () => server.destroy())
    server.on('close', () => client.destroy())
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  proxy.unref()
  const address = proxy.address()
  url.hostname = '127.0.0.1'
  url.port = String(typeof address === 'object' ? address?.port : 0)
  return {
    url: url.href,
    close() {
      isOpen = false
      for (const socket of sockets) socket.destroy()
      sockets.clear()
    },
    open() {
      isOpen = true
    },
  }
}
