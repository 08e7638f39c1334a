import assert from 'node:assert/strict'
import type { ServerName } from '#core/ids.ts'
import type { EventNid } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import { forEachDatabase } from '#test/store/harness.ts'

const [A, B, C] = ['a.example', 'b.example:8448', 'c.example'] as [ServerName, ServerName, ServerName]

const missed = (destination: ServerName, room: number, position: number) => ({
  destination,
  roomNid: room as RoomNid,
  eventNid: (position * 10) as EventNid,
  position,
})

forEachDatabase('what other servers have yet to be told', (test) => {
  test('one event a room is missed, the newest, oldest rooms first', async (open) => {
    const store = await open()
    await store.write((tx) => tx.outbound.addMissed([missed(A, 1, 5), missed(A, 2, 3), missed(A, 1, 4)]))
    await store.write((tx) => tx.outbound.addMissed([missed(A, 2, 2), missed(B, 2, 7), missed(A, 2, 9)]))
    assert.deepEqual(await store.read((tx) => tx.outbound.missed(A, 9)), [missed(A, 1, 5), missed(A, 2, 9)])
    assert.deepEqual(await store.read((tx) => tx.outbound.missed(A, 1)), [missed(A, 1, 5)])
    assert.deepEqual(await store.read((tx) => tx.outbound.missed(B, 9)), [missed(B, 2, 7)])
  })

  test('what was sent is dropped, unless something newer came meanwhile', async (open) => {
    const store = await open()
    const sent = [missed(A, 1, 5), missed(A, 2, 6)]
    await store.write((tx) => tx.outbound.addMissed(sent))
    await store.write((tx) => tx.outbound.addMissed([missed(A, 2, 8), missed(B, 1, 5)]))
    await store.write((tx) => tx.outbound.dropMissed(sent))
    assert.deepEqual(await store.read((tx) => tx.outbound.missed(A, 9)), [missed(A, 2, 8)])
    assert.deepEqual(await store.read((tx) => tx.outbound.missed(B, 9)), [missed(B, 1, 5)])
    await store.write((tx) => tx.outbound.dropMissed([]))
  })

  test('EDUs keep their order, for each server its own', async (open) => {
    const store = await open()
    for (const n of [1, 2, 3]) {
      await store.write(async (tx) => {
        await tx.outbound.queueEdu(A, { edu_type: 'x', content: { n } })
        await tx.outbound.queueEdu(B, { edu_type: 'y', content: { n } })
      })
    }
    const queued = await store.read((tx) => tx.outbound.edus(A, 2))
    assert.deepEqual(
      queued.map(({ edu }) => edu),
      [1, 2].map((n) => ({ edu_type: 'x', content: { n } })),
    )
    await store.write((tx) => tx.outbound.dropEdus(queued.map(({ id }) => id)))
    await store.write((tx) => tx.outbound.dropEdus([]))
    const left = await store.read(async (tx) => [await tx.outbound.eduCount(A), await tx.outbound.eduCount(B)])
    assert.deepEqual(left, [1, 3])
  })

  test('an EDU for many servers is queued for each', async (open) => {
    const store = await open()
    const edu = { edu_type: 'x', content: { text: 'é"' } }
    await store.write((tx) => tx.outbound.queueLatest(new Set([A, B]), { topic: 'é"', edu }))
    await store.write((tx) => tx.outbound.queueLatest(new Set(), { topic: 'é"', edu }))
    for (const [server, count] of [
      [A, 1],
      [B, 1],
      [C, 0],
    ] as const) {
      const edus = await store.read((tx) => tx.outbound.edus(server, 9))
      assert.deepEqual(
        edus.map((queued) => queued.edu),
        Array.from({ length: count }, () => edu),
      )
    }
  })

  test('of a topic the newest EDU waits, behind what came before it; others all wait', async (open) => {
    const store = await open()
    const edu = (n: number) => ({ edu_type: 'x', content: { n } })
    const about = (topic: string, n: number, ...servers: ServerName[]) =>
      store.write((tx) => tx.outbound.queueLatest(new Set(servers), { topic, edu: edu(n) }))
    const plain = (n: number) => store.write((tx) => tx.outbound.queueEdu(A, edu(n)))
    const queued = async (server: ServerName) =>
      (await store.read((tx) => tx.outbound.edus(server, 99))).map((one) => one.edu['content'])
    await plain(1)
    await about('t', 2, A, B)
    await about('u', 3, A)
    const [, sent, kept] = await store.read((tx) => tx.outbound.edus(A, 9))
    await plain(1)
    await about('t', 4, A, C)
    assert.deepEqual(await queued(A), [{ n: 1 }, { n: 3 }, { n: 1 }, { n: 4 }])
    assert.deepEqual([await queued(B), await queued(C)], [[{ n: 2 }], [{ n: 4 }]])
    // Whoever has sent the one that is superseded knows so, and doesn't drop the newer one for it.
    assert.deepEqual(await store.read((tx) => tx.outbound.edusOf([kept!.id, sent!.id])), [kept])
    await store.write((tx) => tx.outbound.dropEdus([sent!.id]))
    assert.deepEqual((await queued(A)).at(-1), { n: 4 })
    await store.write(async (tx) => tx.outbound.dropEdus((await tx.outbound.edus(A, 9)).map(({ id }) => id)))
    // No id comes twice, though the newest row was dropped.
    await about('t', 5, A)
    await about('t', 6, A)
    assert.deepEqual(await queued(A), [{ n: 6 }])
    assert.ok((await store.read((tx) => tx.outbound.edus(A, 1)))[0]!.id > sent!.id)
  })

  test('who is behind is told by name, in pages', async (open) => {
    const store = await open()
    await store.write(async (tx) => {
      await tx.outbound.addMissed([missed(C, 1, 1), missed(A, 1, 1), missed(A, 2, 1)])
      await tx.outbound.queueEdu(B, { edu_type: 'x', content: {} })
      await tx.outbound.queueEdu(C, { edu_type: 'x', content: {} })
    })
    assert.deepEqual(await store.read((tx) => tx.outbound.behind(9)), [A, B, C])
    assert.deepEqual(await store.read((tx) => tx.outbound.behind(1, A)), [B])
    assert.deepEqual(await store.read((tx) => tx.outbound.behind(9, C)), [])
  })
})
