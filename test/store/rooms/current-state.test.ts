import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { UserId } from '#core/ids.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { EventNid, NewEvent } from '#store/types/events.ts'
import type { Membership } from '#store/types/memberships.ts'
import type { StateId } from '#store/types/state.ts'
import { forEachDatabase } from '#test/store/harness.ts'
import { ALICE, BOB, CAROL, RoomFixture } from '#test/store/rooms/room-fixture.ts'

const USERS: readonly UserId[] = [ALICE, BOB, CAROL]
const MEMBERSHIPS: readonly Membership[] = ['join', 'invite', 'knock', 'leave', 'ban']

type Step =
  | { readonly kind: 'message' }
  | { readonly kind: 'state'; readonly type: string; readonly stateKey: string }
  | { readonly kind: 'member'; readonly user: UserId; readonly membership: Membership }
type JudgedStep = { readonly step: Step; readonly verdict: NewEvent['verdict'] }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.constant<Step>({ kind: 'message' }),
  fc.record({
    kind: fc.constant('state' as const),
    type: fc.constantFrom('m.room.name', 'org.example.a', 'org.example.b'),
    stateKey: fc.constantFrom('', 'x', 'm.room.name'),
  }),
  fc.record({
    kind: fc.constant('member' as const),
    user: fc.constantFrom(...USERS),
    membership: fc.constantFrom(...MEMBERSHIPS),
  }),
)
const judged = fc.record({
  step,
  verdict: fc.constantFrom<NewEvent['verdict']>('accepted', 'accepted', 'accepted', 'soft-failed', 'rejected'),
})
const batches = fc.array(fc.array(judged, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 8 })

type Model = {
  state: Map<string, EventNid>
  members: Map<UserId, { membership: Membership; eventNid: EventNid; since: number; position: number }>
  history: Map<UserId, { membership: Membership; eventNid: EventNid; position: number }[]>
  /** The state at each position so far. */
  past: Map<number, Map<string, EventNid>>
}

forEachDatabase('current state', (test, dialect) => {
  test('the table, the tree and the memberships are the fold of the accepted events', async (open) => {
    const store = await open()
    await fc.assert(
      fc.asyncProperty(batches, async (random) => {
        const room = await RoomFixture.create(store)
        const model: Model = { state: new Map(), members: new Map(), history: new Map(), past: new Map() }
        for (const batch of random) {
          await appendBatch(store, room, batch, model)
          await store.read((tx) => checkAgainst(model, room, tx))
        }
        await store.read((tx) => checkPast(model, room, tx))
      }),
      { numRuns: dialect === 'sqlite' ? 30 : 5 },
    )
  })

  test('a resolved current state is carried into all that follows it', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const create = room.state('m.room.create', '')
    const [alice, bob] = [room.member(ALICE, 'join'), room.member(BOB, 'join')]
    const carol = room.member(CAROL, 'invite')
    const name = room.state('m.room.name', '')
    const base = await room.append(store, [create, alice, bob, carol, name])
    const [createNid, aliceNid, bobNid, carolNid, nameNid] = base.events.map(({ nid }) => nid)
    const fork = room.member(BOB, 'leave')
    // As when two branches were resolved: Carol's invite is gone, Bob's leave counts.
    const { appended, resolved } = await store.write(async (tx) => {
      const resolved = await tx.state.apply(room.nid, base.events[1]!.stateAfter, [
        { type: 'm.room.member', stateKey: BOB, event: bobNid! },
        { type: 'org.example.a', stateKey: '', event: nameNid! },
      ])
      const more = { currentState: resolved }
      const state = base.events[2]!.stateAfter
      return { resolved, appended: await room.appendIn(tx, [{ event: fork, stateBefore: state }], more) }
    })
    assert.equal(appended.stateId, resolved)
    await store.read(async (tx) => {
      const current = new Map(
        (await tx.state.current(room.nid)).map((entry) => [`${entry.type}|${entry.stateKey}`, entry.eventNid]),
      )
      assert.deepEqual(
        current,
        new Map([
          ['m.room.create|', createNid],
          [`m.room.member|${ALICE}`, aliceNid],
          [`m.room.member|${BOB}`, bobNid],
          ['org.example.a|', nameNid],
        ]),
      )
      assert.equal((await tx.rooms.byNid(room.nid))?.stateId, resolved)
      assert.deepEqual(await tx.memberships.counts(room.nid), { joined: 2, invited: 0 })
      const carolsNid = (await tx.users.nid(CAROL))!
      const carols = await tx.memberships.one(carolsNid, room.nid)
      assert.deepEqual([carols?.membership, carols?.eventNid], ['leave', carolNid])
      // The change stands at a position of its own, after the event's.
      assert.equal(carols?.position, appended.events[0]!.position + 1)
      assert.equal(await tx.state.at(room.nid, appended.events[0]!.position), base.stateId)
      assert.equal(await tx.state.at(room.nid, await tx.position()), resolved)
      const entries = await tx.log.between(appended.events[0]!.position, 99, 99)
      assert.deepEqual(
        entries.map(({ kind, roomNid, userNid }) => ({ kind, roomNid, userNid })),
        [{ kind: 'event', roomNid: room.nid, userNid: carolsNid }],
      )
    })
  })

  test('an append without events can change the current state', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const base = await room.append(store, [
      room.state('m.room.create', ''),
      room.member(ALICE, 'join'),
      room.member(BOB, 'join'),
    ])
    const state = base.events[0]!.stateAfter
    await room.append(store, [], { currentState: state })
    await store.read(async (tx) => {
      assert.deepEqual(
        (await tx.state.current(room.nid)).map(({ type }) => type),
        ['m.room.create'],
      )
      assert.deepEqual(await tx.memberships.counts(room.nid), { joined: 0, invited: 0 })
      // One entry a user.
      const users = (await tx.log.between(3, 99, 99)).map(({ userNid }) => userNid)
      assert.deepEqual(new Set(users), new Set([await tx.users.nid(ALICE), await tx.users.nid(BOB)]))
    })
    const { stateId } = await room.append(store, [room.event()])
    assert.equal(stateId, state)
  })

  test('states are read by key, by type and as differences', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const base = await room.append(store, [room.state('m.room.create', ''), room.member(ALICE, 'join')])
    const next = await room.append(store, [room.state('m.room.name', ''), room.member(ALICE, 'leave')])
    await store.read(async (tx) => {
      const [createNid, joinNid] = base.events.map(({ nid }) => nid)
      const [nameNid, leaveNid] = next.events.map(({ nid }) => nid)
      const wanted = [
        ['m.room.name', ''],
        ['m.room.create', ''],
        ['org.example.none', ''],
        ['m.room.member', BOB],
      ] as const
      assert.deepEqual(await tx.state.getMany(next.stateId, wanted), [nameNid, createNid, null, null])
      assert.deepEqual(await tx.state.getMany(base.stateId, wanted), [null, createNid, null, null])
      const members = await tx.state.entries(next.stateId, ['m.room.member'])
      assert.deepEqual(
        members.map(({ stateKey, eventNid }) => [stateKey, eventNid]),
        [[ALICE, leaveNid]],
      )
      const current = await tx.state.current(room.nid, ['m.room.name', 'm.room.member', 'org.example.none'])
      assert.deepEqual(new Set(current.map(({ eventNid }) => eventNid)), new Set([nameNid, leaveNid]))
      assert.deepEqual(await tx.state.current(room.nid, []), [])
      assert.equal(await tx.state.currentOne(room.nid, 'm.room.member', ALICE), leaveNid)
      assert.equal(await tx.state.currentOne(room.nid, 'm.room.member', BOB), null)
      const differences = await tx.state.diff(base.stateId, next.stateId)
      assert.deepEqual(
        new Map(differences.map(({ type, stateKey, a, b }) => [`${type}|${stateKey}`, [a, b]])),
        new Map([
          ['m.room.name|', [null, nameNid]],
          [`m.room.member|${ALICE}`, [joinNid, leaveNid]],
        ]),
      )
      const key = (await tx.state.keyNid('m.room.member', ALICE))!
      assert.deepEqual(await tx.state.keys([key]), new Map([[key, ['m.room.member', ALICE]]]))
      assert.equal(await tx.state.keyNid('m.room.member', BOB), null)
      const ids = await tx.state.eventIds([nameNid!, 999 as EventNid])
      assert.deepEqual(ids, new Map([[nameNid, (await tx.events.byNids([nameNid!])).get(nameNid!)?.event.eventId]]))
      assert.equal(await tx.state.at(room.nid, 0), 0)
    })
  })

  test('a member event whose state key is no user id, or that holds no membership, makes no member', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    await room.append(store, [
      room.event({ type: 'm.room.member', stateKey: 'nobody', content: { membership: 'join' } }),
      room.event({ type: 'm.room.member', stateKey: ALICE, content: { membership: ['join'] } }),
      room.event({ type: 'm.room.member', stateKey: BOB, content: { membership: 'toString' } }),
    ])
    await store.read(async (tx) => {
      assert.deepEqual(await tx.memberships.ofRoom(room.nid, ['join', 'invite', 'knock', 'ban']), [])
      assert.deepEqual(await tx.memberships.counts(room.nid), { joined: 0, invited: 0 })
    })
  })
})

async function appendBatch(store: Store, room: RoomFixture, batch: readonly JudgedStep[], model: Model): Promise<void> {
  const events = batch.map(({ step, verdict }) => ({ event: eventOf(room, step), verdict }))
  const appended = await room.append(store, events)
  for (const [i, { event, verdict }] of events.entries()) {
    const { nid, position } = appended.events[i]!
    if (verdict === 'accepted' && event.stateKey !== null) {
      model.state.set(`${event.type}|${event.stateKey}`, nid)
      if (event.type === 'm.room.member') {
        foldMember(model, event.stateKey as UserId, event.content.membership as Membership, nid, position)
      }
    }
    model.past.set(position, new Map(model.state))
  }
}

function eventOf(room: RoomFixture, step: Step) {
  if (step.kind === 'message') return room.event()
  return step.kind === 'state' ? room.state(step.type, step.stateKey) : room.member(step.user, step.membership)
}

function foldMember(model: Model, user: UserId, membership: Membership, eventNid: EventNid, position: number): void {
  const before = model.members.get(user)
  const same = before?.membership === membership
  model.members.set(user, { membership, eventNid, since: same ? before.since : position, position })
  if (!same) model.history.set(user, [...(model.history.get(user) ?? []), { membership, eventNid, position }])
}

async function checkAgainst(model: Model, room: RoomFixture, tx: ReadTx): Promise<void> {
  const { stateId } = (await tx.rooms.byNid(room.nid))!
  assert.deepEqual(await stateOf(tx, stateId), model.state)
  const current = await tx.state.current(room.nid)
  assert.deepEqual(new Map(current.map((entry) => [`${entry.type}|${entry.stateKey}`, entry.eventNid])), model.state)
  const members = [...model.members.values()]
  assert.deepEqual(await tx.memberships.counts(room.nid), {
    joined: members.filter(({ membership }) => membership === 'join').length,
    invited: members.filter(({ membership }) => membership === 'invite').length,
  })
  for (const [user, expected] of model.members) {
    const userNid = (await tx.users.nid(user))!
    const row = { userNid, roomNid: room.nid, ...expected, forgotten: false }
    assert.deepEqual(await tx.memberships.one(userNid, room.nid), row)
    assert.deepEqual(await tx.memberships.history(userNid, room.nid), model.history.get(user))
  }
  assert.equal((await tx.memberships.ofRoom(room.nid, MEMBERSHIPS)).length, model.members.size)
}

async function checkPast(model: Model, room: RoomFixture, tx: ReadTx): Promise<void> {
  for (const [position, state] of model.past) {
    const id = await tx.state.at(room.nid, position)
    assert.deepEqual(await stateOf(tx, id), state)
    for (const [user, history] of model.history) {
      const last = history.findLast((change) => change.position <= position)
      const expected = last === undefined ? null : { membership: last.membership, eventNid: last.eventNid }
      assert.deepEqual(await tx.memberships.at((await tx.users.nid(user))!, room.nid, position), expected)
    }
  }
}

async function stateOf(tx: ReadTx, state: StateId): Promise<Map<string, EventNid>> {
  const entries = await tx.state.entries(state)
  return new Map(entries.map((entry) => [`${entry.type}|${entry.stateKey}`, entry.eventNid]))
}
