import type { Event } from '#core/event/event.ts'
import { CURRENT_STATE, NO_CURRENT_STATE, STATE_LOG } from '#store/sql/append-rows.ts'
import { integerList } from '#store/sql/connection.ts'
import { type MemberChange, type MembershipCounts, MembershipWriter } from '#store/sql/membership-writer.ts'
import { inParts, Pauses } from '#store/sql/pauses.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { RowBatch } from '#store/sql/row-batch.ts'
import type { Sql } from '#store/sql/sql.ts'
import { stateTree } from '#store/sql/state.ts'
import { type StateKeys, stateKeys } from '#store/sql/state-keys.ts'
import { EVENT_COLUMNS, type StoredEvents, storedEvents } from '#store/sql/stored-events.ts'
import type { AppendedEvent } from '#store/sql/timeline-event.ts'
import type { StateTree } from '#store/state-tree/state-tree.ts'
import type { EventNid } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { StateId, StateKeyNid } from '#store/types/state.ts'

type KeyChange = {
  readonly key: StateKeyNid
  readonly type: string
  readonly stateKey: string
  readonly before: EventNid | null
  readonly after: EventNid | null
  /** null until one is given. */
  readonly position: number | null
}

export type CurrentStateChange = MembershipCounts & {
  readonly stateId: StateId
  /** Positions that are no event's: a resolution changed the state there. */
  readonly extraPositions: readonly number[]
}

const MEMBER = 'm.room.member'

/** Carries what an append does to a room's current state into the tables that follow it. */
export class CurrentStateWriter {
  readonly #sql: Sql
  readonly #tree: StateTree
  readonly #keys: StateKeys
  readonly #stored: StoredEvents
  readonly #memberships: MembershipWriter
  readonly #eventsOf

  constructor(sql: Sql) {
    this.#sql = sql
    this.#tree = perConnection(sql, stateTree)
    this.#keys = perConnection(sql, stateKeys)
    this.#stored = perConnection(sql, storedEvents)
    this.#memberships = new MembershipWriter(sql)
    this.#eventsOf = sql.prepare((db, p: { nids: string }) =>
      db.selectFrom('events').select(EVENT_COLUMNS).where('nid', 'in', sql.integers(p.nids)),
    )
  }

  /** @param resolved the current state to come to, where it isn't that after the last accepted event */
  async change(
    room: RoomNid,
    before: StateId,
    placed: readonly AppendedEvent[],
    resolved: StateId | undefined,
    batch: RowBatch,
  ): Promise<CurrentStateChange> {
    const accepted = placed.filter(({ verdict }) => verdict === 'accepted')
    const stateId = resolved ?? accepted.at(-1)?.stateAfter ?? before
    const states = new Map<number, StateId>()
    const { changes, reached } = followChain(before, accepted, states)
    const extraPositions: number[] = []
    if (reached !== stateId) {
      const others = await this.#difference(reached, stateId)
      extraPositions.push(...(await this.#allocatePositions(others)))
      if (extraPositions[0] !== undefined) states.set(extraPositions[0], stateId)
      changes.push(...placeChanges(others, extraPositions))
    }
    for (const [position, state] of states) batch.add(STATE_LOG, room, position, state)
    await this.#writeKeys(room, changes, batch)
    const memberships = await this.#memberships.write(room, await this.#memberChanges(changes, placed), batch)
    return { stateId, ...memberships, extraPositions }
  }

  async #difference(from: StateId, to: StateId): Promise<readonly KeyChange[]> {
    const differences = await this.#tree.diff(from, to)
    return inParts(differences, async (some) => {
      const names = await this.#keys.keys(some.map(([key]) => key))
      return some.map(([key, a, b]) => {
        const [type, stateKey] = names.get(key)!
        return { key, type, stateKey, before: a ?? null, after: b ?? null, position: null }
      })
    })
  }

  /** One position for all changes, and one more for each further member: a log entry names one user. */
  async #allocatePositions(changes: readonly KeyChange[]): Promise<number[]> {
    if (changes.length === 0) return []
    const count = Math.max(1, changes.filter(({ type }) => type === MEMBER).length)
    const first = await this.#sql.allocate('position', count)
    return Array.from({ length: count }, (_, i) => first + i)
  }

  async #writeKeys(room: RoomNid, changes: readonly KeyChange[], batch: RowBatch): Promise<void> {
    const last = new Map(changes.map((change) => [change.key, change]))
    const pauses = new Pauses()
    for (const { key, type, after } of last.values()) {
      if (pauses.due()) await pauses.pause()
      const typeNid = await this.#keys.intern(type, '')
      if (after === null) batch.add(NO_CURRENT_STATE, room, typeNid, key)
      else batch.add(CURRENT_STATE, room, typeNid, key, after)
    }
  }

  async #memberChanges(changes: readonly KeyChange[], placed: readonly AppendedEvent[]): Promise<MemberChange[]> {
    const ofMembers = changes.filter(({ type }) => type === MEMBER)
    if (ofMembers.length === 0) return []
    const events = new Map<EventNid, Event>(placed.map(({ nid, event }) => [nid, event]))
    const unknown = ofMembers.map(({ after }) => after).filter((nid) => nid !== null && !events.has(nid)) as EventNid[]
    if (unknown.length > 0) {
      const rows = await inParts(unknown, async (nids) =>
        this.#stored.rows(await this.#eventsOf.all({ nids: integerList(nids) })),
      )
      for (const row of rows) events.set(row.nid, row.event)
    }
    return ofMembers.map(({ stateKey, before, after, position }) => ({
      userId: stateKey,
      // A resolution may leave a user without any member event: then they aren't in the room.
      eventNid: (after ?? before)!,
      membership: after === null ? 'leave' : events.get(after)!.content.membership,
      position: position!,
    }))
  }
}

/** The changes of events that each follow the state before. Stops having any where an event came from elsewhere. */
function followChain(before: StateId, accepted: readonly AppendedEvent[], states: Map<number, StateId>) {
  const changes: KeyChange[] = []
  let reached = before
  for (const { key, event, nid, position, stateBefore, stateAfter } of accepted) {
    if (stateBefore !== reached || key === null) continue
    changes.push({ key, type: event.type, stateKey: event.stateKey!, before: null, after: nid, position })
    states.set(position, stateAfter)
    reached = stateAfter
  }
  return { changes, reached }
}

/** Gives each member's change a position of its own, and the others the first. */
function placeChanges(changes: readonly KeyChange[], positions: readonly number[]): KeyChange[] {
  let members = 0
  return changes.map((change) => ({
    ...change,
    position: (change.type === MEMBER ? positions[members++] : positions[0])!,
  }))
}
