import assert from 'node:assert/strict'
import { DuplicateTransactionError, type EventNid, StaleHeadError } from '#store/types/events.ts'
import type { UserNid } from '#store/types/users.ts'
import { forEachDatabase } from '#test/store/harness.ts'
import { ALICE, BOB, RoomFixture } from '#test/store/rooms/room-fixture.ts'

forEachDatabase('append', (test) => {
  test('what was appended is read back, by id, number and in another process', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const create = room.state('m.room.create', '')
    const message = room.event({ content: { body: 'hello' }, auth: [create] })
    const appended = await room.append(store, [create, message])
    const [first, second] = appended.events
    assert.deepEqual(
      appended.events.map(({ position, rank, generation }) => ({ position, rank, generation })),
      [
        { position: 1, rank: 1, generation: 0 },
        { position: 2, rank: 2, generation: 1 },
      ],
    )
    assert.equal(appended.stateId, first!.stateAfter)
    assert.equal(store.position(), 2)
    const other = await open()
    for (const reader of [store, other]) {
      await reader.read(async (tx) => {
        const row = await tx.events.byId(message.eventId)
        assert.deepEqual(row, {
          nid: second!.nid,
          roomNid: room.nid,
          event: message,
          senderNid: await tx.users.nid(ALICE),
          position: 2,
          rank: 2,
          stateBefore: first!.stateAfter,
          stateAfter: first!.stateAfter,
          generation: 1,
          rejected: false,
          softFailed: false,
          unapplied: false,
          redactedBy: null,
        })
        assert.deepEqual((await tx.events.byNids([second!.nid])).get(second!.nid), row)
        const both = await tx.events.byIds([message.eventId, '$unknown' as never, create.eventId])
        assert.deepEqual(
          both.map(({ event }) => event),
          [message, create],
        )
        assert.deepEqual(await tx.events.sendersOf([first!.nid]), new Map([[first!.nid, ALICE]]))
        const head = await tx.rooms.byNid(room.nid)
        assert.deepEqual([head?.headSeq, head?.stateId, head?.rankMax, head?.lastPosition], [1, appended.stateId, 2, 2])
        assert.deepEqual(await tx.rooms.extremities(room.nid), [
          { nid: second!.nid, eventId: message.eventId, depth: 2, generation: 1, stateAfter: appended.stateId },
        ])
        assert.equal(await tx.events.byId('$unknown' as never), null)
      })
    }
  })

  test('events of one append stand on each other', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const create = room.state('m.room.create', '')
    const join = room.event({ type: 'm.room.member', stateKey: ALICE, content: { membership: 'join' }, auth: [create] })
    const levels = room.event({ type: 'm.room.power_levels', stateKey: '', auth: [create, join] })
    const { events } = await room.append(store, [create, join, levels])
    assert.deepEqual(
      events.map(({ generation }) => generation),
      [0, 1, 2],
    )
    await store.read(async (tx) => {
      const rows = await tx.events.byNids(events.map(({ nid }) => nid))
      for (const [i, { nid, stateAfter }] of events.entries()) {
        const row = rows.get(nid)!
        assert.equal(row.stateBefore, i === 0 ? 0 : events[i - 1]!.stateAfter)
        assert.equal(row.stateAfter, stateAfter)
        assert.equal((await tx.state.entries(stateAfter)).length, i + 1)
      }
      assert.equal(await tx.state.get(events[1]!.stateAfter, 'm.room.member', ALICE), events[1]!.nid)
      assert.equal(await tx.state.get(events[0]!.stateAfter, 'm.room.member', ALICE), null)
    })
  })

  test('an append that was computed on an older head is refused', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    await room.append(store, [room.state('m.room.create', '')])
    const late = { ...room.command([room.event()]), expectedHeadSeq: 0 }
    await assert.rejects(store.append(late), StaleHeadError)
    assert.equal(await store.read((tx) => tx.events.byId(late.events[0]!.event.eventId)), null)
    assert.equal(store.position(), 1)
  })

  test('of two appends on the same head in one group the second is refused', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const create = room.state('m.room.create', '')
    await room.append(store, [create])
    const [one, two] = [room.event({ prev: [create] }), room.event({ prev: [create], sender: BOB })]
    const outcomes = await Promise.allSettled([one, two].map((event) => store.append(room.command([event]))))
    assert.equal(outcomes[0]!.status, 'fulfilled')
    assert.ok(outcomes[1]!.status === 'rejected' && outcomes[1]!.reason instanceof StaleHeadError)
    await store.read(async (tx) => {
      assert.equal(await tx.events.byId(two.eventId), null)
      assert.deepEqual(
        (await tx.rooms.extremities(room.nid)).map(({ eventId }) => eventId),
        [one.eventId],
      )
      // Known to the database by nobody but the refused append.
      assert.equal(await tx.users.nid(BOB), null)
    })
  })

  test('a transaction id is used once a device and room', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const transaction = { userNid: 7 as UserNid, deviceId: 'PHONE', txnId: 'a' }
    const first = room.event()
    const { events } = await room.append(store, [{ event: first, transaction }])
    const again = room.command([{ event: room.event(), transaction }])
    await assert.rejects(
      store.append(again),
      (error) => error instanceof DuplicateTransactionError && error.eventId === first.eventId,
    )
    // Whatever the head is by then.
    await assert.rejects(store.append({ ...again, expectedHeadSeq: 0 }), DuplicateTransactionError)
    const others = [
      { ...transaction, deviceId: 'TABLET' },
      { ...transaction, userNid: 8 as UserNid },
      { ...transaction, txnId: 'A' },
      { ...transaction, endpoint: 'another' },
    ]
    const ids: EventNid[] = []
    for (const other of others) {
      const { events } = await room.append(store, [{ event: room.event({ prev: [first] }), transaction: other }])
      ids.push(events[0]!.nid)
    }
    const elsewhere = await RoomFixture.create(store)
    await elsewhere.append(store, [{ event: elsewhere.event(), transaction }])

    await store.read(async (tx) => {
      assert.equal(await tx.events.transaction({ ...transaction, room: room.nid }), first.eventId)
      assert.equal(await tx.events.transaction({ ...transaction, room: room.nid, txnId: 'b' }), null)
      const nids = [events[0]!.nid, 999 as EventNid]
      assert.deepEqual(await tx.events.transactionIds(7 as UserNid, 'PHONE', nids), new Map([[events[0]!.nid, 'a']]))
      assert.deepEqual(await tx.events.transactionIds(7 as UserNid, 'TABLET', nids), new Map())
      const last = ids.at(-1)!
      assert.deepEqual(await tx.events.transactionIds(7 as UserNid, 'PHONE', [last]), new Map([[last, 'a']]))
    })
  })

  test('the same transaction id twice in one group, or in one append, makes one event', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const transaction = { userNid: 7 as UserNid, deviceId: 'PHONE', txnId: 'a' }
    const [one, two] = [room.event(), room.event()]
    const outcomes = await Promise.allSettled(
      [one, two].map((event) => store.append(room.command([{ event, transaction }]))),
    )
    assert.equal(outcomes[0]!.status, 'fulfilled')
    const failure = outcomes[1]!.status === 'rejected' ? outcomes[1]!.reason : null
    assert.ok(failure instanceof DuplicateTransactionError)
    assert.equal(failure.eventId, one.eventId)

    room.headSeq = 1
    const inOne = [room.event(), room.event()].map((event) => ({ event, transaction: { ...transaction, txnId: 'b' } }))
    await assert.rejects(
      store.append(room.command(inOne)),
      (error) => error instanceof DuplicateTransactionError && error.eventId === inOne[0]!.event.eventId,
    )
  })

  test('old transaction ids are forgotten', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const transaction = { userNid: 7 as UserNid, deviceId: 'PHONE', txnId: 'a' }
    await room.append(store, [{ event: room.event(), transaction }])
    const sentAt = 1_700_000_000_000
    assert.equal(await store.write((tx) => tx.events.forgetTransactions(sentAt)), 0)
    assert.equal(await store.write((tx) => tx.events.forgetTransactions(sentAt + 1)), 1)
    await room.append(store, [{ event: room.event(), transaction }])
  })

  test('an append that is taken back leaves no traces, in caches neither', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const create = room.state('m.room.create', '')
    await room.append(store, [create])
    const lost = room.event({ type: 'org.example.lost', stateKey: 'key', sender: BOB, prev: [create] })
    const kept = room.event({ type: 'org.example.kept', stateKey: 'key', prev: [create] })
    const attempt = store.write(async (tx) => {
      const appended = await tx.events.append(room.command([lost]))
      // What the transaction wrote, it sees.
      assert.equal((await tx.events.byId(lost.eventId))?.event.eventId, lost.eventId)
      assert.equal(await tx.state.get(appended.stateId, 'org.example.lost', 'key'), appended.events[0]!.nid)
      throw new Error('changed my mind')
    })
    const [outcome, appended] = await Promise.allSettled([attempt, store.append(room.command([kept]))])
    assert.equal(outcome.status, 'rejected')
    assert.ok(appended.status === 'fulfilled')
    // The numbers of what was taken back were given out again.
    const { nid, position, stateAfter } = appended.value.events[0]!
    assert.equal(position, 2)
    await store.read(async (tx) => {
      assert.equal(await tx.events.byId(lost.eventId), null)
      assert.equal((await tx.events.byNids([nid])).get(nid)?.event.type, 'org.example.kept')
      assert.deepEqual((await tx.state.entries(stateAfter)).map(({ type }) => type).sort(), [
        'm.room.create',
        'org.example.kept',
      ])
      assert.equal(await tx.state.keyNid('org.example.lost', 'key'), null)
      assert.equal((await tx.rooms.byNid(room.nid))?.headSeq, 2)
      assert.deepEqual(
        (await tx.log.between(0, 99, 99)).map((entry) => entry.position),
        [1, 2],
      )
    })
    const next = room.event({ auth: [lost] })
    await assert.rejects(store.append({ ...room.command([next]), expectedHeadSeq: 2 }), /which is not stored/)
  })

  test('rejected and soft-failed events are kept with their reasons, and change nothing', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const create = room.state('m.room.create', '')
    const before = await room.append(store, [create])
    const refused = room.event({ type: 'm.room.name', stateKey: '', prev: [create] })
    const late = room.member(BOB, 'join')
    const { events, stateId } = await room.append(store, [
      { event: refused, verdict: 'rejected', reason: 'rule 8' },
      { event: late, verdict: 'soft-failed', reason: 'rule 5.2' },
    ])
    assert.equal(stateId, before.stateId)
    await store.read(async (tx) => {
      const rows = await tx.events.byIds([refused.eventId, late.eventId])
      assert.deepEqual(
        rows.map((row) => [row.rejected, row.softFailed]),
        [
          [true, false],
          [false, true],
        ],
      )
      // What cites a soft-failed event finds its state there.
      assert.equal(rows[0]!.stateAfter, stateId)
      assert.equal(await tx.state.get(rows[1]!.stateAfter, 'm.room.member', BOB), rows[1]!.nid)
      assert.equal(await tx.events.rejectionReason(events[0]!.nid), 'rule 8')
      assert.equal(await tx.events.rejectionReason(events[1]!.nid), 'rule 5.2')
      assert.equal(await tx.events.rejectionReason(before.events[0]!.nid), null)
      assert.deepEqual(
        (await tx.rooms.extremities(room.nid)).map(({ eventId }) => eventId),
        [create.eventId],
      )
      assert.deepEqual(
        (await tx.state.current(room.nid)).map(({ type }) => type),
        ['m.room.create'],
      )
      assert.deepEqual(await tx.memberships.counts(room.nid), { joined: 0, invited: 0 })
      assert.equal((await tx.rooms.byNid(room.nid))?.lastPosition, 1)
    })
  })

  test('forward extremities are the accepted events that no accepted one cites', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const extremities = async () =>
      new Set((await store.read((tx) => tx.rooms.extremities(room.nid))).map(({ eventId }) => eventId))
    const root = room.event()
    await room.append(store, [root])
    const [a, b] = [room.event({ prev: [root] }), room.event({ prev: [root] })]
    await room.append(store, [a, b])
    assert.deepEqual(await extremities(), new Set([a.eventId, b.eventId]))
    const c = room.event({ prev: [a] })
    const d = room.event({ prev: [c] })
    await room.append(store, [c, d])
    assert.deepEqual(await extremities(), new Set([b.eventId, d.eventId]))
    await room.append(store, [{ event: room.event({ prev: [b, d] }), verdict: 'soft-failed' }])
    assert.deepEqual(await extremities(), new Set([b.eventId, d.eventId]))
    const merge = room.event({ prev: [b, d] })
    await room.append(store, [merge])
    assert.deepEqual(await extremities(), new Set([merge.eventId]))
  })

  test('each event has an entry in the log, a change of membership with its user', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    await room.append(store, [room.event(), room.member(BOB, 'join'), room.member(BOB, 'join', { displayname: 'B' })])
    await store.read(async (tx) => {
      const bob = await tx.users.nid(BOB)
      assert.deepEqual(
        await tx.log.between(0, 3, 10),
        [null, bob, null].map((userNid, i) => ({ position: i + 1, kind: 'event', roomNid: room.nid, userNid })),
      )
    })
  })
})
