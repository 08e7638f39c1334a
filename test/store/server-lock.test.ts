/** Only one server at a time on a data folder and on a database. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AlreadyServedError } from '#store/errors.ts'
import { takeServerLock } from '#store/sql/server-lock.ts'
import { forEachDatabase, QUIET_LOG } from '#test/store/harness.ts'

forEachDatabase('the lock of a server', (test, dialect) => {
  const folders: string[] = []
  const newFolder = async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hearth-lock-'))
    folders.push(folder)
    return folder
  }
  const removeFolders = async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
  }

  test('is held by one, beside others who open the database, and free when that ends', async (open) => {
    const { database } = open.options
    const dataDir = await newFolder()
    const take = () => takeServerLock({ database, dataDir, log: QUIET_LOG })
    const lock = await take()
    const store = await open()
    await assert.rejects(take(), AlreadyServedError)
    await store.write((tx) => tx.meta.probe())
    // The refusal has taken nothing away.
    await assert.rejects(take(), AlreadyServedError)
    await lock[Symbol.asyncDispose]()
    await (await take())[Symbol.asyncDispose]()
    await removeFolders()
  })

  if (dialect !== 'postgres') return
  test('is one of the database, whatever the folder, and comes back after the connection broke', async (open) => {
    const { database } = open.options
    const store = await open()
    const folders = [await newFolder(), await newFolder()]
    const take = (i: number) => takeServerLock({ database, dataDir: folders[i]!, log: QUIET_LOG })
    const lock = await take(0)
    await assert.rejects(take(1), AlreadyServedError)
    await lock[Symbol.asyncDispose]()
    await (await take(1))[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
    await removeFolders()
  })
})
