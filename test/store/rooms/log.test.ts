import assert from 'node:assert/strict'
import { type LogCommit, type LogKind, LostLeaseError } from '#store/types/log.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'
import { forEachDatabase } from '#test/store/harness.ts'
import { ALICE, CAROL, RoomFixture } from '#test/store/rooms/room-fixture.ts'

const KINDS: readonly LogKind[] = [
  'event',
  'receipt',
  'account_data',
  'profile',
  'device_list',
  'to_device',
  'membership',
]

forEachDatabase('log', (test) => {
  test('entries have consecutive positions, and are read in pages', async (open) => {
    const store = await open()
    const roomNid = 3 as RoomNid
    const userNid = 4 as UserNid
    const positions = await store.write(async (tx) => {
      const given: number[] = []
      for (const kind of KINDS) given.push(await tx.log.append(kind, { userNid }))
      given.push(await tx.log.append('event', { roomNid }), await tx.log.append('account_data', { roomNid, userNid }))
      return given
    })
    assert.deepEqual(positions, [1, 2, 3, 4, 5, 6, 7, 8, 9])
    await store.read(async (tx) => {
      const kinds = (await tx.log.between(0, 7, 99)).map(({ kind }) => kind)
      assert.deepEqual(kinds, KINDS)
      assert.deepEqual(await tx.log.between(7, 9, 99), [
        { position: 8, kind: 'event', roomNid, userNid: null },
        { position: 9, kind: 'account_data', roomNid, userNid },
      ])
      assert.deepEqual(
        (await tx.log.between(2, 9, 3)).map(({ position }) => position),
        [3, 4, 5],
      )
      assert.deepEqual(await tx.log.between(9, 99, 99), [])
      assert.equal(await tx.position(), 9)
    })
  })

  test('a follower goes on where it stood, after a restart too', async (open) => {
    const store = await open()
    assert.equal(await store.read((tx) => tx.log.followerPosition('unread')), 0)
    await store.write((tx) => tx.log.setFollowerPosition('unread', 5))
    await store.write((tx) => tx.log.setFollowerPosition('unread', 8))
    await store.write((tx) => tx.log.setFollowerPosition('search', 2))
    const again = await open()
    assert.equal(await again.read((tx) => tx.log.followerPosition('unread')), 8)
    // Following is no news to anyone.
    assert.equal(store.position(), 0)
  })

  test('each commit tells what it wrote to the log, and of events those that are shown', async (open) => {
    const store = await open()
    const commits: LogCommit[] = []
    store.onCommit((_position, commit) => {
      if (commit !== null) commits.push(commit)
    })
    const room = await RoomFixture.create(store)
    const created = room.state('m.room.create', '')
    await room.append(store, [created, room.member(ALICE, 'join')])
    await Promise.all([
      store.write((tx) => tx.log.append('profile', { userNid: 4 as UserNid })),
      assert.rejects(
        store.write(async (tx) => {
          await tx.log.append('profile', { userNid: 5 as UserNid })
          throw new Error('taken back')
        }),
      ),
      store.write((tx) => tx.log.append('receipt', { roomNid: room.nid })),
    ])
    const rejected = room.event()
    await room.append(store, [{ event: rejected, verdict: 'rejected' }, room.event({ sender: CAROL })])
    let end = 0
    for (const { from, to } of commits) {
      assert.equal(from, end)
      end = to
    }
    assert.equal(end, store.position())
    const told = commits.flatMap(({ entries }) => entries)
    assert.deepEqual(
      told.map(({ position, kind, roomNid, userNid }) => ({ position, kind, roomNid, userNid })),
      await store.read((tx) => tx.log.between(0, 99, 99)),
    )
    assert.deepEqual(
      told.map(({ event }) => event?.event.type ?? null),
      ['m.room.create', 'm.room.member', null, null, null, 'm.room.message'],
    )
    for (const { event, position, bytes } of told) {
      assert.ok(bytes > 0)
      if (event === null) continue
      const row = await store.read((tx) => tx.events.byId(event.event.eventId))
      assert.deepEqual(
        [event.nid, event.roomNid, event.position, event.event.json],
        [row?.nid, row?.roomNid, position, row?.event.json],
      )
    }
  })

  test('a follower is moved by the one who claimed it last, and nobody else', async (open) => {
    const store = await open()
    const first = await store.write((tx) => tx.log.claimFollower('search'))
    await store.write((tx) => tx.log.moveFollower(first.lease, 3))
    const second = await (await open()).write((tx) => tx.log.claimFollower('search'))
    assert.deepEqual([first.position, second.position], [0, 3])
    const late = store.write(async (tx) => {
      await tx.log.append('profile', { userNid: 1 as UserNid })
      await tx.log.moveFollower(first.lease, 9)
    })
    await assert.rejects(late, LostLeaseError)
    await store.write((tx) => tx.log.moveFollower(second.lease, 4))
    assert.deepEqual(
      await store.read(async (tx) => [await tx.log.followerPosition('search'), await tx.position()]),
      [4, 0],
    )
  })
})
