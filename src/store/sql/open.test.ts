import assert from 'node:assert/strict'
import { forEachDatabase } from '#test/store/harness.ts'

forEachDatabase('a store', (test) => {
  test('opens an empty database, and the same one again', async (open) => {
    const store = await open()
    assert.equal(store.position(), 0)
    assert.equal(await store.read((tx) => tx.position()), 0)
    const again = await open()
    assert.equal(await again.write((tx) => tx.position()), 0)
  })
})
