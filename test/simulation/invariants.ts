/** The promises that hold on every server at every time, looked up in its database: I1 to I8 of SECURITY.md. */
import assert from 'node:assert/strict'
import { type Event, type StateMap, stateMapKey } from '#core/event/event.ts'
import { essentialText, eventIdOf, hasValidContentHash } from '#core/event/hash.ts'
import { redactJson } from '#core/event/redact.ts'
import { requiredSignatures, type Signer, signatureChecks } from '#core/event/sign.ts'
import type { EventId, RoomId, ServerName, UserId } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { member } from '#core/json/value.ts'
import { gatherAuthChains } from '#core/state/gather-events.ts'
import { resolve } from '#core/state/resolve.ts'
import { run } from '#core/state/steps.ts'
import type { ReadTx } from '#store/store.ts'
import type { EventRow } from '#store/types/events.ts'
import type { Membership, MembershipRow } from '#store/types/memberships.ts'
import type { RoomRow } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'
import type { SimulatedServer } from '#test/simulation/simulated-server.ts'
import { verifyOnce } from '#test/simulation/verify-once.ts'

const EVENTS_MAX = 100_000
const MEMBERSHIPS: readonly Membership[] = ['join', 'invite', 'knock', 'leave', 'ban']

export type RoomCopy = {
  readonly server: SimulatedServer
  readonly row: RoomRow
  /** What came into the room live or by backfill, refused events too. */
  readonly events: ReadonlyMap<EventId, EventRow>
  readonly extremities: readonly EventId[]
  readonly state: StateMap
  /** The servers with a joined member. */
  readonly servers: ReadonlySet<ServerName>
}

/** Reads a server's copy of a room; null where it has none. */
export function readCopy(server: SimulatedServer, roomId: RoomId): Promise<RoomCopy | null> {
  return server.store.read(async (tx) => {
    const row = await tx.rooms.byId(roomId)
    if (row === null) return null
    const timeline = await tx.events.timeline({ room: row.nid, direction: 'forwards', limit: EVENTS_MAX })
    const received = await tx.events.receivedBetween(row.nid, 0, await tx.position(), EVENTS_MAX)
    const extremities = (await tx.rooms.extremities(row.nid)).map(({ eventId }) => eventId)
    const joined = [...(await tx.rooms.serversIn(row.nid))].filter(([, count]) => count > 0)
    return {
      server,
      row,
      events: new Map([...timeline, ...received].map((one) => [one.event.eventId, one])),
      extremities,
      state: await readState(tx, row.stateId),
      servers: new Set(joined.map(([name]) => name)),
    }
  })
}

export async function readState(tx: ReadTx, stateId: StateId): Promise<StateMap> {
  const entries = await tx.state.entries(stateId)
  const ids = await tx.state.eventIds(entries.map(({ eventNid }) => eventNid))
  return new Map(
    entries.map(({ type, stateKey, eventNid }) => [stateMapKey(type, stateKey), ids.get(eventNid) as EventId]),
  )
}

/** I4 to I7 of one copy. */
export async function checkCopy(copy: RoomCopy, signers: ReadonlyMap<ServerName, Signer>): Promise<void> {
  const name = copy.server.name
  for (const row of copy.events.values()) checkEvent(row, signers, name)
  await checkReferences(copy)
  await checkCurrentState(copy)
  await checkMembers(copy)
}

/** I4: what is stored hashes to its id, and its servers signed it. */
function checkEvent({ event, redactedBy }: EventRow, signers: ReadonlyMap<ServerName, Signer>, name: string): void {
  assert.equal(eventIdOf(event.json, event.rules), event.eventId, `I4: ${name} keeps an event under another's id`)
  const isRedacted = canonicalJson(redactJson(event.json, event.rules)) === canonicalJson(event.json)
  const isWhole = hasValidContentHash(event.json)
  assert.ok(isWhole || isRedacted || redactedBy !== null, `I4: ${name} keeps ${event.eventId} with another content`)
  for (const server of requiredSignatures(event)) {
    const signer = signers.get(server)
    const keyOf = (keyId: string) => (keyId === signer?.keyId ? signer.publicKey : undefined)
    const checks = signatureChecks(member(event.json, 'signatures'), server, keyOf)
    assert.ok(typeof checks !== 'string', `I4: ${name} keeps ${event.eventId}, which is ${checks} by ${server}`)
    const text = essentialText(event.json, event.rules)
    const isSigned = checks.every(({ signature, key }) => verifyOnce(text, signature, key))
    assert.ok(isSigned, `I4: ${name} keeps ${event.eventId} of ${server}`)
  }
}

/** I5: "prev/auth of every non-outlier known": auth events without exception, previous ones unless they are a gap. */
async function checkReferences({ server, row, events }: RoomCopy): Promise<void> {
  await server.store.read(async (tx) => {
    const gaps = new Set(
      (await tx.backwardExtremities.below(row.nid, row.rankMax, EVENTS_MAX)).map(({ missing }) => missing),
    )
    const judged = [...events.values()].filter(({ rejected }) => !rejected)
    const cited = judged.flatMap(({ event }) => [...event.authEvents, ...event.prevEvents])
    const known = await tx.events.known([...new Set(cited)])
    for (const { event } of judged) {
      for (const eventId of event.authEvents) {
        assert.ok(known.has(eventId), `I5: ${server.name} lacks ${eventId}, which authorises ${event.eventId}`)
      }
      for (const eventId of event.prevEvents) {
        const found = known.get(eventId)
        const isThere = found !== undefined && !found.isOutlier
        assert.ok(isThere || gaps.has(eventId), `I5: ${server.name} lacks ${eventId} before ${event.eventId}`)
      }
    }
  })
}

/** I6: the current state is what the extremities' states resolve to, computed from scratch. */
async function checkCurrentState({ server, row, state }: RoomCopy): Promise<void> {
  if (!row.isResident || row.partial !== null) return
  const expected = await server.store.read(async (tx) => {
    const extremities = await tx.rooms.extremities(row.nid)
    const states = await Promise.all(extremities.map(({ stateAfter }) => readState(tx, stateAfter)))
    return resolveStates(tx, states)
  })
  assertSameState(state, expected, `I6: the current state of ${row.roomId} on ${server.name}`)
  const table = await server.store.read(async (tx) => {
    const entries = await tx.state.current(row.nid)
    const ids = await tx.state.eventIds(entries.map(({ eventNid }) => eventNid))
    return new Map(entries.map((one) => [stateMapKey(one.type, one.stateKey), ids.get(one.eventNid) as EventId]))
  })
  assertSameState(table, state, `I6: the table of the current state of ${row.roomId} on ${server.name}`)
}

async function resolveStates(tx: ReadTx, states: readonly StateMap[]): Promise<StateMap> {
  const rejected = new Set<EventId>()
  const gathering = gatherAuthChains(states.flatMap((map) => [...map.values()]))
  let round = gathering.next()
  while (!round.done) {
    const rows = await tx.events.byIds([...round.value])
    for (const row of rows) if (row.rejected) rejected.add(row.event.eventId)
    round = gathering.next(rows.map(({ event }) => event))
  }
  const [first] = round.value.values()
  if (first === undefined) return new Map()
  return run(resolve(first.rules, states, round.value, { isRejected: (eventId) => rejected.has(eventId) }))
}

/** I7: the members in the state are those of the derived tables. */
async function checkMembers({ server, row, state, servers }: RoomCopy): Promise<void> {
  if (!row.isResident) return
  await server.store.read(async (tx) => {
    const expected = new Map<string, string>()
    const memberIds = [...state].filter(([key]) => key.startsWith('m.room.member\0'))
    const rows = await tx.events.byIds(memberIds.map(([, eventId]) => eventId))
    for (const { event } of rows) expected.set(event.stateKey ?? '', String(event.content['membership']))
    const members: MembershipRow[] = []
    for (const one of await tx.memberships.ofRoom(row.nid, MEMBERSHIPS)) {
      // An invite that the room itself may never have seen, if its sender's server died over it.
      const isOutOfBand = one.membership !== 'join' && (await tx.memberships.stripped(one.userNid, row.nid)) !== null
      if (!isOutOfBand) members.push(one)
    }
    const names = await tx.users.userIds(members.map(({ userNid }) => userNid))
    const actual = new Map<string, string>(
      members.map(({ userNid, membership }) => [names.get(userNid) as string, membership]),
    )
    // Whose member event went with a branch of a fork has left as much as one with an event that says so.
    for (const map of [actual, expected])
      for (const [name, membership] of map) if (membership === 'leave') map.delete(name)
    assert.deepEqual(sorted(actual), sorted(expected), `I7: members of ${row.roomId} on ${server.name}`)
    const joined = [...expected].filter(([, membership]) => membership === 'join').map(([userId]) => userId)
    assert.equal((await tx.memberships.counts(row.nid)).joined, joined.length, `I7: count on ${server.name}`)
    const homes = new Set(joined.map((userId) => userId.slice(userId.indexOf(':') + 1)))
    assert.deepEqual([...servers].sort(), [...homes].sort(), `I7: servers of ${row.roomId} on ${server.name}`)
  })
}

/** I8 by the rules as they are written, for events that a user was shown. */
export async function checkVisible(copy: RoomCopy, userId: UserId, shown: readonly EventId[]): Promise<void> {
  const timeline = [...copy.events.values()].sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0))
  const joins = timeline.filter(({ event }) => event.stateKey === userId && event.content['membership'] === 'join')
  const lastJoin = joins.at(-1)?.rank ?? -1
  await copy.server.store.read(async (tx) => {
    // The end of a fork may make somebody a member again without an event of theirs.
    const user = await tx.users.nid(userId)
    const history = user === null ? [] : await tx.memberships.history(user, copy.row.nid)
    // Who is a member now saw the end of each fork, whatever the branches knew of them.
    const isMember = user !== null && (await tx.memberships.one(user, copy.row.nid))?.membership === 'join'
    // What came while they were one, they saw come.
    const lastJoined = history.findLastIndex(({ membership }) => membership === 'join')
    const lastJoinPosition = isMember ? Number.POSITIVE_INFINITY : (history[lastJoined + 1]?.position ?? -1)
    for (const eventId of shown) {
      const row = copy.events.get(eventId)
      assert.ok(row !== undefined, `I8: ${userId} was shown ${eventId}, which has no place in the room`)
      assert.ok(!row.rejected && !row.softFailed, `I8: ${userId} was shown ${eventId}, which was refused`)
      const [visibilityNid, memberNid] = await tx.state.getMany(row.stateBefore, [
        ['m.room.history_visibility', ''],
        ['m.room.member', userId],
      ])
      const rows = await tx.events.byNids([visibilityNid, memberNid].filter((nid) => nid != null))
      const content = (nid: typeof memberNid | undefined) => (nid == null ? undefined : rows.get(nid)?.event.content)
      const visibility = content(visibilityNid)?.['history_visibility'] ?? 'shared'
      const membership = content(memberNid)?.['membership']
      const joinedLater = (row.rank ?? 0) <= lastJoin || (row.position ?? 0) <= lastJoinPosition
      const isAllowed = allows(visibility, membership, joinedLater) || allowsAfter(row.event, userId, visibility)
      const opens = row.event.type === 'm.room.history_visibility'
      const isAllowedAfter = opens && allows(row.event.content['history_visibility'], membership, joinedLater)
      assert.ok(isAllowed || isAllowedAfter, `I8: ${userId} was shown ${eventId} of ${visibility} as ${membership}`)
    }
  })
}

function allows(visibility: unknown, membership: unknown, joinedLater: boolean): boolean {
  if (visibility === 'world_readable' || membership === 'join') return true
  if (visibility === 'invited') return membership === 'invite'
  return visibility !== 'joined' && joinedLater
}

function allowsAfter(event: Event, userId: UserId, visibility: unknown): boolean {
  return (
    event.type === 'm.room.member' &&
    event.stateKey === userId &&
    allows(visibility, event.content['membership'], false)
  )
}

export function assertSameState(actual: StateMap, expected: StateMap, message: string): void {
  const named = (map: StateMap) => sorted(new Map([...map].map(([key, eventId]) => [key.replace('\0', ' '), eventId])))
  assert.deepEqual(named(actual), named(expected), message)
}

function sorted<V>(map: ReadonlyMap<string, V>): [string, V][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1))
}
