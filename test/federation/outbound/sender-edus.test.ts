// EDUs that the federation sender sends: those that must arrive, and those that are only worth something while fresh.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { WireReply } from '#services/federation/transport/transport.ts'
import { DOWN, OK, RETRY, roomWith, say, senderWorld, userOf } from '#test/federation/outbound/sender-world.ts'
import { ALICE, BOB } from '#test/store/rooms/room-fixture.ts'

const [A, B] = ['a.example', 'b.example'] as [ServerName, ServerName]

describe('EDUs', () => {
  it('in the database arrive in order, once, past outages and restarts, a hundred at a time', async () => {
    await using world = await senderWorld()
    world.peer(A).reply = () => DOWN
    const queue = (from: number, to: number) =>
      world.store.write(async (tx) => {
        for (let n = from; n < to; n++) {
          await tx.outbound.queueEdu(A, { edu_type: 'm.direct_to_device', content: { n } })
        }
      })
    await queue(0, 130)
    world.sender.eduQueued(A)
    await world.settled()
    await queue(130, 250)
    await world.restart()
    world.peer(A).reply = () => OK
    world.time.advance(RETRY.baseMs)
    await world.settled()
    await queue(250, 260)
    world.sender.eduQueued(A)
    await world.settled()
    const edus = world.peer(A).received.map(({ edus: some }) => some)
    assert.ok(edus.every(({ length }) => length <= 100))
    assert.deepEqual(
      edus.flat().map(({ content }) => (content as { n: number }).n),
      Array.from({ length: 260 }, (_, n) => n),
    )
  })

  it('that came after a lost answer wait for the next transaction, though one of the lost ones is superseded', async () => {
    await using world = await senderWorld()
    const about = async (topic: string, n: number) => {
      const edu = { edu_type: 'm.device_list_update', content: { n } }
      await world.store.write((tx) => tx.outbound.queueLatest(new Set([A]), { topic, edu }))
      world.sender.eduQueued(A)
      await world.settled()
    }
    const bodies: (string | null)[] = []
    let reply: WireReply = { outcome: 'timed out' }
    world.peer(A).reply = ({ body }) => {
      bodies.push(body)
      return reply
    }
    await about('t', 1)
    await about('u', 2)
    await about('t', 3)
    reply = OK
    world.time.advance(RETRY.baseMs)
    await world.settled()
    const sent = bodies.map((body) => (JSON.parse(body ?? '').edus ?? []).map((edu: JsonObject) => edu['content']))
    assert.deepEqual(sent, [[{ n: 1 }], [{ n: 2 }, { n: 3 }]])
    assert.equal(await world.store.read((tx) => tx.outbound.eduCount(A)), 0)
  })

  it('tell who types, again while it lasts, and when it ends; not of others, nor to who is down', async () => {
    await using world = await senderWorld()
    const room = await roomWith(world, A, B)
    await world.settled()
    world.peer(B).reply = () => DOWN
    world.typing.start(room.nid, ALICE, 30_000)
    world.typing.start(room.nid, userOf(A), 30_000)
    await world.settled()
    world.typing.start(room.nid, ALICE, 40_000)
    world.time.advance(20_000)
    await world.settled()
    world.time.advance(20_000)
    await world.settled()
    const typing = world.peer(A).received.flatMap(({ edus }) => edus.map(({ content }) => content as JsonObject))
    const news = (is: boolean) => ({ room_id: room.roomId, user_id: ALICE, typing: is })
    assert.deepEqual(typing, [news(true), news(true), news(false)])
    world.peer(B).reply = () => OK
    world.time.advance(RETRY.baseMs)
    await world.settled()
    assert.deepEqual(
      world.peer(B).received.flatMap(({ edus }) => edus),
      [],
    )
  })

  it('tell of public receipts of local users', async () => {
    await using world = await senderWorld()
    const room = await roomWith(world, A)
    const { events } = await say(world, room, 'x')
    await world.settled()
    await world.store.write(async (tx) => {
      const eventId = (await tx.events.byNids([events[0]!.nid])).get(events[0]!.nid)!.event.eventId
      const receipt = { roomNid: room.nid, threadId: null, eventId, rank: events[0]!.rank, ts: 5 } as const
      for (const user of [ALICE, userOf(A)]) {
        await tx.receipts.put({ ...receipt, userNid: await tx.users.intern(user), type: 'm.read' })
      }
      const alice = await tx.users.intern(ALICE)
      await tx.receipts.put({ ...receipt, userNid: alice, type: 'm.read', threadId: 'main' })
      await tx.receipts.put({ ...receipt, userNid: await tx.users.intern(BOB), type: 'm.read.private' })
    })
    await world.settled()
    const edus = world.peer(A).received.flatMap(({ edus: some }) => some)
    const threads = edus.map(({ edu_type, content }) => {
      const users = (content as Record<string, Record<string, Record<string, { data: object; event_ids: string[] }>>>)[
        room.roomId
      ]?.['m.read']
      assert.deepEqual([edu_type, Object.keys(users ?? {})], ['m.receipt', [ALICE]])
      assert.equal(users?.[ALICE]?.event_ids.length, 1)
      return users?.[ALICE]?.data
    })
    assert.deepEqual(threads, [{ ts: 5 }, { ts: 5, thread_id: 'main' }])
  })

  it('tell who is online to servers that share a room, and again before they would forget', async () => {
    await using world = await senderWorld()
    await roomWith(world, A)
    const userNid = await world.store.write((tx) => tx.users.intern(ALICE))
    await world.settled()
    const end = world.presence.poll({ userId: ALICE, userNid, deviceId: 'D' }, 'unavailable')
    world.presence.set({ userId: ALICE, userNid, deviceId: 'D' }, 'unavailable', 'busy')
    await world.presence.idle()
    await world.settled()
    const told = () => world.peer(A).received.flatMap(({ edus }) => edus.map(({ content }) => content as JsonObject))
    const update = { user_id: ALICE, presence: 'unavailable', status_msg: 'busy', last_active_ago: 0 }
    assert.deepEqual(told().at(-1), { push: [update] })
    const count = told().length
    world.time.advance(25 * 60_000)
    await world.settled()
    assert.deepEqual(told().slice(count), [{ push: [{ ...update, last_active_ago: 25 * 60_000 }] }])
    end()
    assert.equal(world.peer(B).tries, 0)
  })
})
