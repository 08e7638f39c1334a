import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { ServerName } from '#core/ids.ts'
import type { Follower, LogBatch } from '#services/log/follower.ts'
import { POSITIONS_UNWRITTEN_MAX } from '#services/log/following.ts'
import { LogFollowers } from '#services/log/log-followers.ts'
import { TAIL_BYTES_MAX } from '#services/log/log-tail.ts'
import { openStore } from '#store/sql/open.ts'
import type { Store } from '#store/store.ts'
import { LostLeaseError } from '#store/types/log.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'
import { manualTime } from '#test/harness/manual-time.ts'
import { QUIET_LOG } from '#test/store/harness.ts'
import { CAROL, RoomFixture } from '#test/store/rooms/room-fixture.ts'

const serverName = 'hearth.example' as ServerName
const NAME = 'search'

describe('followers of the log', () => {
  let dataDir: string
  let store: Store
  let reads: number
  let errors: unknown[]
  let followers: LogFollowers
  const time = manualTime()
  const stores: Store[] = []

  /** As another process, or the same one after a restart. */
  async function open(): Promise<{ store: Store; followers: LogFollowers }> {
    const opened = await openStore({ database: 'sqlite', dataDir, serverName, clock: time.clock, log: QUIET_LOG })
    stores.push(opened)
    const counting: Store = {
      read: (fn) => {
        reads += 1
        return opened.read(fn)
      },
      write: (fn) => opened.write(fn),
      append: (append) => opened.append(append),
      position: () => opened.position(),
      onCommit: (listener) => opened.onCommit(listener),
      fault: () => opened.fault(),
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
    }
    const onError = (error: unknown) => errors.push(error)
    return {
      store: counting,
      followers: new LogFollowers({ store: counting, serverName, timers: time.timers, onError }),
    }
  }

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'hearth-followers-'))
    reads = 0
    errors = []
    ;({ store, followers } = await open())
  })

  afterEach(async () => {
    await followers.close()
    for (const opened of stores.splice(0)) await opened[Symbol.asyncDispose]()
    await rm(dataDir, { recursive: true, force: true })
  })

  const profile = (user: number) => store.write((tx) => tx.log.append('profile', { userNid: user as UserNid }))
  const stored = (at = store) => at.read((tx) => tx.log.followerPosition(NAME))

  /** A follower that notes what it gets. */
  function noting(more: Partial<Follower> = {}) {
    const batches: LogBatch[] = []
    const follower: Follower = {
      name: NAME,
      topics: ['profile'],
      async handle(batch) {
        batches.push(batch)
        return null
      },
      ...more,
    }
    const users = () => batches.flatMap(({ entries }) => entries.map(({ userNid }) => userNid as number))
    return { follower, batches, users }
  }

  it('get what was just committed without asking the database, and only what they want', async () => {
    const { follower, batches } = noting({ topics: ['local_event'] })
    const members = noting({ name: 'members', topics: ['member'] })
    followers.follow(follower)
    followers.follow(members.follower)
    const room = await RoomFixture.create(store)
    const created = room.state('m.room.create', '')
    const said = room.event({ content: { body: 'here' } })
    await room.append(store, [created, room.member(CAROL, 'join'), said])
    await room.append(store, [room.event({ sender: CAROL }), { event: room.event(), verdict: 'rejected' }])
    await profile(1)
    await followers.idle()
    const events = batches.flatMap(({ entries }) => entries.map(({ event }) => event?.event.eventId))
    assert.deepEqual(events, [created.eventId, said.eventId])
    assert.deepEqual(
      members.batches.flatMap(({ entries }) => entries.map(({ kind, roomNid, event }) => [kind, roomNid, event])),
      [['event', room.nid, null]],
    )
    assert.deepEqual(followers.lags(), { [NAME]: 0, members: 0 })
    assert.deepEqual([reads, followers.tailBytes], [0, 0])
  })

  it('read what is not at hand, with the same content, and go on in memory', async () => {
    const room = await RoomFixture.create(store)
    const said = room.event()
    await room.append(store, [
      room.state('m.room.create', ''),
      room.member(CAROL, 'join'),
      said,
      room.event({ sender: CAROL }),
    ])
    const { follower, batches } = noting({ topics: ['local_event', 'member'], claim: await followers.claim(NAME) })
    followers.follow(follower)
    await followers.idle()
    assert.equal(reads, 1)
    await room.append(store, [room.event()])
    await followers.idle()
    assert.equal(reads, 1)
    assert.deepEqual(
      batches.flatMap(({ from, upTo, entries }) => [
        from,
        upTo,
        entries.map(({ position, event }) => [position, event?.nid]),
      ]),
      [
        0,
        4,
        [
          [1, 1],
          [2, undefined],
          [3, 3],
        ],
        4,
        5,
        [[5, 5]],
      ],
    )
  })

  it('get in order, and once, what comes while they are busy', async () => {
    let go: () => void = () => {}
    const busy = new Promise<void>((resolve) => {
      go = resolve
    })
    const { follower, batches, users } = noting()
    followers.follow({
      ...follower,
      async handle(batch) {
        if (batches.length === 0) await busy
        return follower.handle(batch)
      },
    })
    const others = noting({ name: 'quick' })
    followers.follow(others.follower)
    for (let user = 1; user <= 20; user++) await profile(user)
    go()
    await followers.idle()
    assert.deepEqual(users(), others.users())
    assert.deepEqual(
      users(),
      Array.from({ length: 20 }, (_, i) => i + 1),
    )
    assert.deepEqual([batches.length, reads], [2, 0])
  })

  it('hold no more in memory than is allowed for one that does not keep up, which reads instead', async () => {
    let go: () => void = () => {}
    const busy = new Promise<void>((resolve) => {
      go = resolve
    })
    const { follower, batches } = noting({ topics: ['local_event'] })
    followers.follow({
      ...follower,
      async handle(batch) {
        await busy
        return follower.handle(batch)
      },
    })
    const room = await RoomFixture.create(store)
    await room.append(store, [room.state('m.room.create', '')])
    const count = Math.ceil((1.2 * TAIL_BYTES_MAX) / (4 * 60_000))
    let most = 0
    for (let i = 0; i < count; i += 6) {
      const body = 'x'.repeat(60_000)
      await room.append(
        store,
        Array.from({ length: Math.min(6, count - i) }, () => room.event({ content: { body } })),
      )
      most = Math.max(most, followers.tailBytes)
    }
    assert.ok(most > TAIL_BYTES_MAX / 2 && most <= TAIL_BYTES_MAX)
    go()
    await followers.idle()
    const positions = batches.flatMap(({ entries }) => entries.map(({ position }) => position))
    assert.deepEqual(
      positions,
      Array.from({ length: count + 1 }, (_, i) => i + 1),
    )
    assert.ok(reads > 0)
    assert.equal(followers.tailBytes, 0)
  })

  it('notice what another process wrote', async () => {
    const { follower, users } = noting()
    followers.follow(follower)
    await profile(1)
    const other = await open()
    await other.store.write((tx) => tx.log.append('profile', { userNid: 2 as UserNid }))
    await profile(3)
    await followers.idle()
    assert.deepEqual(users(), [1, 2, 3])
    await other.followers.close()
  })

  it('write what a batch leads to and their position at once, and go on there', async () => {
    const writing = () =>
      noting({
        async handle({ entries }) {
          return { write: async (tx) => void (await tx.log.append('account_data', { userNid: entries[0]!.userNid! })) }
        },
      }).follower
    followers.follow({ ...writing(), claim: await followers.claim(NAME) })
    await profile(7)
    await followers.idle()
    assert.equal(await stored(), 1)
    await followers.close()
    // The next process finds nothing left to do but what it wrote itself.
    const next = await open()
    const { follower, users } = noting({ topics: ['profile', 'account_data'], claim: await next.followers.claim(NAME) })
    next.followers.follow(follower)
    await next.followers.idle()
    assert.deepEqual(users(), [])
    await next.followers.close()
  })

  it('lose nothing of a batch whose write failed: it comes again after a while, in order', async () => {
    let failures = 2
    const { follower, batches, users } = noting()
    const claim = await followers.claim(NAME)
    followers.follow({
      ...follower,
      claim,
      async handle(batch) {
        await follower.handle(batch)
        return {
          async write() {
            if (failures-- > 0) throw new Error('disk')
          },
        }
      },
    })
    await profile(1)
    await followers.idle()
    assert.deepEqual([errors.length, await stored(), followers.lags()[NAME]], [1, 0, 1])
    time.advance(1_000)
    await followers.idle()
    assert.deepEqual([errors.length, await stored()], [2, 0])
    time.advance(1_999)
    await followers.idle()
    assert.equal(errors.length, 2)
    time.advance(1)
    await followers.idle()
    assert.deepEqual([errors.length, await stored()], [2, 1])
    assert.deepEqual(users(), [1, 1, 1])
    assert.ok(batches.every(({ from, upTo }) => from === 0 && upTo === 1))
  })

  it('tell the database how far they are now and then, and at the end', async () => {
    const { follower, batches } = noting({ claim: await followers.claim(NAME) })
    followers.follow(follower)
    const room = 1 as RoomNid
    const write = (count: number) =>
      store.write(async (tx) => {
        for (let i = 0; i < count; i++) await tx.log.append('receipt', { roomNid: room })
      })
    await write(POSITIONS_UNWRITTEN_MAX - 1)
    await followers.idle()
    assert.equal(await stored(), 0)
    await write(2)
    await followers.idle()
    assert.equal(await stored(), POSITIONS_UNWRITTEN_MAX + 1)
    await write(5)
    await followers.close()
    assert.equal(await stored(), POSITIONS_UNWRITTEN_MAX + 6)
    assert.deepEqual(batches, [])
  })

  it('handle what is at hand before they stop', async () => {
    let go: () => void = () => {}
    const busy = new Promise<void>((resolve) => {
      go = resolve
    })
    const { follower, users } = noting({ claim: await followers.claim(NAME) })
    followers.follow({
      ...follower,
      async handle(batch) {
        await busy
        return follower.handle(batch)
      },
    })
    await profile(1)
    await profile(2)
    const closing = followers.close()
    go()
    await closing
    assert.deepEqual([users(), await stored(), reads], [[1, 2], 2, 1])
  })

  it('are refused where another process has taken over, and stop', async () => {
    const { follower } = noting({
      handle: async () => ({ write: async (tx) => void (await tx.meta.setServerName('me')) }),
    })
    const claim = await followers.claim(NAME)
    followers.follow({ ...follower, claim })
    const other = await open()
    const second = await other.followers.claim(NAME)
    assert.ok(second.lease.fence > claim.lease.fence)
    await profile(1)
    await followers.idle()
    assert.ok(errors[0] instanceof LostLeaseError)
    assert.deepEqual(
      await store.read(async (tx) => [await tx.meta.serverName(), await tx.log.followerPosition(NAME)]),
      [null, 0],
    )
    await profile(2)
    time.advance(3_600_000)
    await followers.idle()
    assert.equal(errors.length, 1)
    await other.followers.close()
  })

  it('pass by unread what nobody wants to know', async () => {
    let isNeeded = false
    const { follower, users } = noting({ isNeeded: () => isNeeded })
    const following = followers.follow(follower)
    await profile(1)
    assert.equal(following.position, 1)
    isNeeded = true
    await profile(2)
    await followers.idle()
    assert.deepEqual([users(), following.position, reads], [[2], 2, 0])
  })

  it('have names of their own', () => {
    followers.follow(noting().follower)
    assert.throws(() => followers.follow(noting().follower), /followed as search already/)
  })
})
