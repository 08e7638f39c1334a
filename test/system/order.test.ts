/** SECURITY.md T11 and T12: the order that readers see, and transaction ids, under many senders at once. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { Api, room, V3 } from '#test/system/harness/api.ts'
import { onEachDatabase } from '#test/system/harness/databases.ts'
import { Hearth } from '#test/system/harness/hearth.ts'
import { TimelineReader } from '#test/system/harness/timeline-reader.ts'

const SENDERS = 64
const SENDS_EACH = 60
const ROOMS = 4
const COPIES = 100
/** Small ones leave gaps all the time, the large one none. */
const READER_LIMITS = [1, 5, 20, 1000]

onEachDatabase('order', (database) => {
  let hearth: Hearth
  before(async () => {
    hearth = await Hearth.start({ database })
  })
  after(() => hearth[Symbol.asyncDispose]())

  it(`T11: ${SENDERS} senders, four readers: each reader's timeline is the order of the room`, async (test) => {
    const anyone = new Api(hearth.url)
    const owner = await anyone.register('owner')
    const rooms: string[] = []
    for (let i = 0; i < ROOMS; i++) rooms.push(await owner.createRoom({ preset: 'public_chat' }))
    const senders = await anyone.registerAll(Array.from({ length: SENDERS }, (_, i) => `sender${i}`))
    for (const roomId of rooms) await Promise.all(senders.map((sender) => sender.join(roomId)))
    const readers = await Promise.all(
      READER_LIMITS.map(async (limit, i) => {
        const user = await anyone.register(`reader${i}`)
        for (const roomId of rooms) await user.join(roomId)
        return TimelineReader.begin(user, limit)
      }),
    )

    const began = performance.now()
    let isDone = false
    const reading = readers.map(async (reader) => {
      // After the last send one more look must find nothing.
      while (!isDone || (await reader.read(0)) > 0) await reader.read(isDone ? 0 : 200)
    })
    const sent = new Map<string, Set<string>>(rooms.map((roomId) => [roomId, new Set()]))
    await Promise.all(
      senders.map(async (sender, s) => {
        for (let n = 0; n < SENDS_EACH; n++) {
          const roomId = rooms[(s + n) % ROOMS]!
          // A few state changes among the messages.
          const id =
            n % 20 === 7
              ? await owner.state(roomId, 'test.state', { s, n }, `${s % 3}`)
              : await sender.send(roomId, `${s}-${n}`)
          sent.get(roomId)!.add(id)
        }
      }),
    )
    isDone = true
    await Promise.all(reading)
    const seconds = (performance.now() - began) / 1000
    const gaps = readers.map((reader) => reader.gaps)
    test.diagnostic(`${SENDERS * SENDS_EACH} events, ${seconds.toFixed(1)} s, limited answers: ${gaps.join(', ')}`)
    assert.ok(gaps[0]! > 0, 'the reader with the smallest limit met gaps')

    for (const roomId of rooms) {
      const history = (await owner.history(roomId, 1000)).map((event) => event.event_id)
      const expected = history.slice(history.findIndex((id) => sent.get(roomId)!.has(id)))
      assert.deepEqual(new Set(expected), sent.get(roomId))
      for (const [i, reader] of readers.entries()) {
        const seen = (reader.timelines.get(roomId) ?? []).map((event) => event.event_id)
        // The joins of readers that began later stand before the first send.
        const firstSent = seen.findIndex((id) => sent.get(roomId)!.has(id))
        assert.deepEqual(seen.slice(firstSent), expected, `reader ${i}`)
      }
    }
  })

  it(`T12: ${COPIES} copies of one transaction id make one event, also after a restart, one each device`, async () => {
    const anyone = new Api(hearth.url)
    const alice = await anyone.register('alice')
    const phone = await anyone.login('alice')
    const roomId = await alice.createRoom()
    const otherRoom = await alice.createRoom()
    const storm = (device: Api) =>
      Promise.all(Array.from({ length: COPIES }, () => device.send(roomId, 'once', 'storm.txn')))

    const ids = new Set(await storm(alice))
    assert.equal(ids.size, 1)
    const phoneIds = new Set(await storm(phone))
    assert.equal(phoneIds.size, 1)
    assert.ok(!ids.isSubsetOf(phoneIds), 'another device has transaction ids of its own')
    const elsewhere = await alice.send(otherRoom, 'once', 'storm.txn')
    assert.ok(!ids.has(elsewhere), 'another room is another request')

    const redactions = await Promise.all(
      Array.from({ length: 20 }, () => alice.put(room(roomId, 'redact', [...phoneIds][0]!, 'redact.txn'))),
    )
    assert.equal(new Set(redactions.map(({ event_id: id }) => id)).size, 1)

    await hearth.kill()
    await hearth.boot()
    assert.deepEqual(new Set(await storm(alice)), ids)
    assert.deepEqual(new Set(await storm(phone)), phoneIds)
    const history = await alice.history(roomId)
    assert.equal(history.filter((event) => event.type === 'm.room.message').length, 2)
    assert.equal(history.filter((event) => event.type === 'm.room.redaction').length, 1)
    const own = history.find((event) => ids.has(event.event_id))
    assert.equal(own?.unsigned?.transaction_id, 'storm.txn')
    assert.equal(
      (await phone.history(roomId)).find((event) => ids.has(event.event_id))?.unsigned?.transaction_id,
      undefined,
    )
    // A device that logs in anew is a new device.
    await alice.post(`${V3}/logout`)
    const again = await anyone.login('alice')
    assert.ok(!ids.has(await again.send(roomId, 'once', 'storm.txn')))
  })
})
