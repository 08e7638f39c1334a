import assert from 'node:assert/strict'
import pg from 'pg'
import { StoreClosedError, UnstorableTextError } from '#store/errors.ts'
import type { ReadTx, Store, Tx } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'
import { forEachDatabase } from '#test/store/harness.ts'

const append = (tx: Tx, user = 1) => tx.log.append('profile', { userNid: user as UserNid })
const logged = async (tx: ReadTx) => (await tx.log.between(0, Number.MAX_SAFE_INTEGER, 100_000)).map((e) => e.position)
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)
const settled = async (writes: Promise<unknown>[]) => (await Promise.allSettled(writes)).map(({ status }) => status)

forEachDatabase('a store', (test, dialect) => {
  test('opens an empty database, twice at once, and again', async (open) => {
    const [a, b] = await Promise.all([open(), open()])
    assert.equal(a.position(), 0)
    assert.equal(await b.read((tx) => tx.position()), 0)
    await a.write((tx) => append(tx))
    assert.equal((await open()).position(), 1)
  })

  test('reads one snapshot, whatever is committed meanwhile', async (open) => {
    const store = await open()
    await store.write((tx) => append(tx))
    await store.read(async (tx) => {
      assert.equal(await tx.position(), 1)
      await store.write((other) => append(other))
      assert.equal(await tx.position(), 1)
      assert.deepEqual(await logged(tx), [1])
    })
    assert.deepEqual(await store.read(logged), [1, 2])
  })

  test('does not write in a read', async (open) => {
    const store = await open()
    await assert.rejects(store.read((tx) => append(tx as Tx)))
    await assert.rejects(store.read((tx) => (tx as Tx).log.setFollowerPosition('a', 1)))
    assert.equal(await store.read((tx) => tx.log.followerPosition('a')), 0)
  })

  test('takes back what a failing function did, and only that', async (open) => {
    const store = await open()
    const failing = async (tx: Tx) => {
      await append(tx)
      await tx.log.setFollowerPosition('failing', 9)
      throw new Error('on purpose')
    }
    const writes = [append, append, failing, append, failing, append].map((fn) => store.write((tx) => fn(tx)))
    assert.deepEqual(await settled(writes), [
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    assert.deepEqual(await store.read(logged), upTo(4))
    assert.equal(await store.read((tx) => tx.log.followerPosition('failing')), 0)
    await assert.rejects(writes[2]!, /on purpose/)
  })

  test('goes on after a function that failed before it changed anything', async (open) => {
    const store = await open()
    const failing = async (tx: Tx) => {
      await tx.position()
      throw new Error('on purpose')
    }
    assert.deepEqual(await settled([store.write(append), store.write(failing), store.write(append)]), [
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    assert.deepEqual(await store.read(logged), [1, 2])
  })

  test('goes on after a statement that failed', async (open) => {
    const store = await open()
    const failing = async (tx: Tx) => {
      await append(tx)
      // No whole number: neither database takes it for this column.
      await tx.log.setFollowerPosition('failing', 0.5)
    }
    assert.deepEqual(await settled([store.write(append), store.write(failing), store.write(append)]), [
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    assert.deepEqual(await store.read(logged), [1, 2])
  })

  test('runs functions strictly in turn, each seeing what those before it did', async (open) => {
    const store = await open()
    const seen = await Promise.all(
      upTo(200).map(() =>
        store.write(async (tx) => {
          const count = await tx.log.followerPosition('count')
          await tx.log.setFollowerPosition('count', count + 1)
          return count
        }),
      ),
    )
    assert.deepEqual(
      seen,
      upTo(200).map((n) => n - 1),
    )
  })

  test('tells listeners of the last position, once it is visible', async (open) => {
    const store = await open()
    const heard: number[] = []
    const end = store.onCommit((position) => {
      assert.equal(store.position(), position)
      heard.push(position)
    })
    store.onCommit(() => {
      throw new Error('a listener that fails harms nobody')
    })
    await store.write(async (tx) => {
      await append(tx)
      await append(tx)
    })
    await store.write((tx) => tx.log.setFollowerPosition('a', 1))
    await settled([store.write((tx) => append(tx).then(() => Promise.reject(new Error('on purpose'))))])
    assert.deepEqual(heard, [2])
    end()
    await store.write(append)
    assert.deepEqual(heard, [2])
    assert.equal(store.position(), 3)
  })

  test('shows no position below one that was visible', async (open) => {
    const stores = [await open(), await open()]
    let writing = true
    const check = async (store: Store) => {
      let last = 0
      while (writing) {
        const [positions, position] = await store.read(async (tx) => [await logged(tx), await tx.position()] as const)
        assert.deepEqual(positions, upTo(position))
        assert.ok(position >= last)
        last = position
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    const checks = stores.map(check)
    const writes = upTo(300).map((n) => stores[n % 2]!.write((tx) => append(tx, n)))
    await Promise.all(writes)
    writing = false
    await Promise.all(checks)
    assert.deepEqual(await stores[0]!.read(logged), upTo(300))
  })

  test('refuses text that a database cannot hold', async (open) => {
    const store = await open()
    for (const name of ['a\0b', '\ud800']) {
      const write = store.write(async (tx) => {
        await append(tx)
        await tx.log.setFollowerPosition(name, 1)
      })
      await assert.rejects(write, UnstorableTextError)
      await assert.rejects(
        store.read((tx) => tx.log.followerPosition(name)),
        UnstorableTextError,
      )
    }
    assert.deepEqual(await store.read(logged), [])
  })

  test('refuses a tx that is used after its function ended', async (open) => {
    const store = await open()
    let leaked: Tx | undefined
    await store.write(async (tx) => {
      leaked = tx
    })
    await assert.rejects(append(leaked!))
  })

  test('finishes what was asked of it before it closes, and takes no more', async (open) => {
    const store = await open()
    const write = store.write(append)
    const closed = store[Symbol.asyncDispose]()
    await write
    await closed
    await assert.rejects(store.write(append), StoreClosedError)
    await assert.rejects(store.read(logged), StoreClosedError)
    assert.deepEqual(await (await open()).read(logged), [1])
  })

  if (dialect === 'postgres') {
    test('hears of the commits of other processes', async (open) => {
      const [a, b] = [await open(), await open()]
      const heard = new Promise((resolve) => b.onCommit(resolve))
      await a.write(append)
      assert.equal(await heard, 1)
      assert.equal(b.position(), 1)
    })

    test('goes on over new connections when the old ones broke', async (open) => {
      const store = await open()
      await store.write(append)
      await store.read(logged)
      await terminateOthers(open.options.database)
      await store.write(append)
      assert.deepEqual(await store.read(logged), [1, 2])
    })

    test('runs a write again whose connection broke before the commit', async (open) => {
      const store = await open()
      let runs = 0
      const position = await store.write(async (tx) => {
        const given = await append(tx)
        if (runs++ === 0) await terminateOthers(open.options.database)
        await append(tx)
        return given
      })
      assert.equal(runs, 2)
      assert.equal(position, 1)
      assert.deepEqual(await store.read(logged), [1, 2])
    })
  }
})

/** Breaks all connections to a database, as a restart of the server would. */
async function terminateOthers(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
  await client.end()
}
