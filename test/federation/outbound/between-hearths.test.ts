// What the users of one Hearth do, as those of another see it.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RoomId } from '#core/ids.ts'
import { SmallFederation, type User } from '#test/federation/harness/small-federation.ts'

const WAIT_MS = 10_000

/** A client that goes on syncing until an answer shows what is waited for. */
class Client {
  readonly #user: User
  #since: string | null = null

  constructor(user: User) {
    this.#user = user
  }

  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  async until<T>(find: (answer: any) => T | undefined): Promise<T> {
    for (let round = 0; round < 50; round++) {
      const since = this.#since === null ? '' : `&since=${this.#since}`
      const { body } = await this.#user.get(`/sync?set_presence=offline&timeout=${WAIT_MS}${since}`)
      this.#since = body.next_batch
      const found = find(body)
      if (found !== undefined) return found
    }
    throw new Error('it never came')
  }
}

async function twoInOneRoom(federation: SmallFederation) {
  const [here, there] = [
    await federation.server('a.example', { presence: true }),
    await federation.server('b.example', { presence: true }),
  ]
  const [alice, bob] = [await here.user('alice'), await there.user('bob')]
  const roomId = await alice.createRoom({ preset: 'public_chat' })
  assert.equal((await bob.join(roomId, here)).status, 200)
  await here.sees(roomId, bob.userId, 'join')
  return { here, there, alice, bob, roomId }
}

/** The content of an ephemeral event of a room that passes. */
function ephemeral(roomId: RoomId, type: string, passes: (content: Record<string, object>) => boolean) {
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  return (body: any): object | undefined =>
    body.rooms.join[roomId]?.ephemeral.events.find(
      (event: { type: string; content: Record<string, object> }) => event.type === type && passes(event.content),
    )?.content
}

describe('between two Hearths', () => {
  it('typing, receipts and presence arrive', async () => {
    await using federation = new SmallFederation()
    const { alice, bob, roomId } = await twoInOneRoom(federation)
    const client = new Client(bob)
    const path = (rest: string) => `/rooms/${encodeURIComponent(roomId)}/${rest}`

    await alice.put(path(`typing/${alice.userId}`), { typing: true, timeout: 60_000 })
    const typists = (count: number) =>
      client.until(ephemeral(roomId, 'm.typing', ({ user_ids: users }) => (users as string[]).length === count))
    assert.deepEqual(await typists(1), { user_ids: [alice.userId] })
    await alice.put(path(`typing/${alice.userId}`), { typing: false })
    await typists(0)

    const eventId = await bob.say(roomId, 'hello')
    const other = new Client(alice)
    await other.until((body) =>
      body.rooms.join[roomId]?.timeline.events.find((event: { event_id: string }) => event.event_id === eventId),
    )
    await alice.post(path(`receipt/m.read/${encodeURIComponent(eventId)}`))
    await client.until(
      ephemeral(roomId, 'm.receipt', ({ [eventId]: receipts }) => {
        const { 'm.read': users = {} } = (receipts ?? {}) as { 'm.read'?: object }
        return Object.keys(users).includes(alice.userId)
      }),
    )

    await alice.put(`/presence/${alice.userId}/status`, { presence: 'unavailable', status_msg: 'at lunch' })
    const presence = await client.until((body) =>
      body.presence.events.find(
        (event: { sender: string; content: { status_msg?: string } }) =>
          event.sender === alice.userId && event.content.status_msg !== undefined,
      ),
    )
    assert.equal(presence.content.presence, 'unavailable')
    assert.deepEqual(federation.defects, [])
  })

  it('messages sent during an outage arrive once the other one is there again, gaps filled', async () => {
    await using federation = new SmallFederation()
    const { here, there, alice, bob, roomId } = await twoInOneRoom(federation)
    const second = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(second, here)
    await here.sees(second, bob.userId, 'join')
    await there.stop()
    const said: string[] = []
    for (let i = 0; i < 5; i++) said.push(await alice.say(roomId, `${i}`))
    const last = await alice.say(second, 'second')
    await there.start()
    // A valid request shows that it is there.
    await bob.say(second, 'back')
    const client = new Client(bob)
    const seen = new Set<string>()
    await client.until((body) => {
      for (const room of [roomId, second]) {
        for (const { event_id: id } of body.rooms.join[room]?.timeline.events ?? []) seen.add(id)
      }
      return [...said, last].every((id) => seen.has(id)) ? true : undefined
    })
    assert.deepEqual(federation.defects, [])
  })

  for (const action of ['kick', 'ban'] as const) {
    it(`a ${action} during an outage reaches the server of the removed user, and nothing after it`, async () => {
      await using federation = new SmallFederation()
      const { there, alice, bob, roomId } = await twoInOneRoom(federation)
      const other = await there.user('other')
      const invited = await alice.createRoom({ preset: 'private_chat', invite: [other.userId] })
      await there.services.federation.memberships.partialStates.idle()
      await there.stop()
      const last = await alice.say(roomId, 'the last that they may read')
      assert.equal((await alice.room(roomId, action, { user_id: bob.userId })).status, 200)
      const after = await alice.say(roomId, 'now that they are gone')
      assert.equal((await alice.room(invited, action, { user_id: other.userId })).status, 200)
      await there.start()
      // Whatever it asks shows that it is there.
      assert.equal((await bob.get(`/profile/${alice.userId}`)).status, 200)
      await there.sees(roomId, bob.userId, action === 'ban' ? 'ban' : 'leave')
      const { body } = await bob.get(`/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=20`)
      const ids = body.chunk.map(({ event_id }: { event_id: string }) => event_id)
      assert.ok(ids.includes(last))
      assert.ok(!ids.includes(after))
      assert.equal(await there.store.read((tx) => tx.events.byId(after)), null)
      assert.ok((await bob.sync()).rooms.leave?.[roomId] === undefined, 'a fresh sync leaves out what is over')
      const client = new Client(other)
      await client.until(({ rooms }) => (rooms?.invite?.[invited] === undefined ? true : undefined))
      assert.deepEqual(federation.defects, [])
    })
  }
})
