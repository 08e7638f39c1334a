import assert from 'node:assert/strict'
import { connect, createServer, type Socket } from 'node:net'
import type { ServerName } from '#core/ids.ts'
import { openStore } from '#store/sql/open.ts'
import type { Tx } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'
import { forEachDatabase, QUIET_LOG } from '#test/store/harness.ts'

const append = (tx: Tx) => tx.log.append('profile', { userNid: 1 as UserNid })

forEachDatabase('a commit whose connection breaks', (test, dialect) => {
  if (dialect !== 'postgres') return

  for (const { name, forward, runs } of [
    { name: 'counts as done when the server had done it', forward: true, runs: 1 },
    { name: 'is run again when the server never got it', forward: false, runs: 2 },
  ]) {
    test(name, async (open) => {
      await open()
      const proxy = await startProxy(open.options.database, forward)
      const store = await openStore({
        database: proxy.url,
        dataDir: '',
        serverName: 'hearth.example' as ServerName,
        clock: () => 0,
        log: QUIET_LOG,
      })
      try {
        let ran = 0
        proxy.breakNextCommit()
        const position = await store.write((tx) => {
          ran++
          return append(tx)
        })
        assert.equal(ran, runs)
        assert.equal(position, 1)
        assert.equal(await store.write(append), 2)
        assert.equal(await store.read((tx) => tx.position()), 2)
      } finally {
        await store[Symbol.asyncDispose]()
        proxy.close()
      }
    })
  }
})

/** A way to the server that can be broken at a COMMIT, before or after the server gets it. */
async function startProxy(database: string, forward: boolean) {
  const url = new URL(database)
  const target = { host: url.hostname, port: Number(url.port) }
  const sockets = new Set<Socket>()
  let armed = false
  const proxy = createServer((client) => {
    const server = connect(target)
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
    client.on('close', () => server.end())
    server.on('close', () => client.destroy())
    let broken = false
    server.on('data', (chunk) => {
      if (broken) client.destroy()
      else client.write(chunk)
    })
    client.on('data', (chunk) => {
      const breaks = armed && chunk.includes('; COMMIT\0')
      if (breaks) {
        armed = false
        broken = true
      }
      if (!breaks || forward) server.write(chunk)
      else client.destroy()
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const address = proxy.address()
  url.hostname = '127.0.0.1'
  url.port = String(typeof address === 'object' ? address?.port : 0)
  return {
    url: url.href,
    breakNextCommit() {
      armed = true
    },
    close() {
      for (const socket of sockets) socket.destroy()
      proxy.close()
    },
  }
}
