/** Which of a room's events another server may see: where stored state meets the visibility rules of `core`. */
import { redactJson } from '#core/event/redact.ts'
import type { JsonObject } from '#core/json/value.ts'
import { type HistoryVisibility, isVisibleToServer, readHistoryVisibility, type Viewer } from '#core/visibility.ts'
import type { ServerRoom, ServerUser } from '#services/federation/reads/server-room.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import { membershipIn } from '#services/timeline/client-events.ts'
import type { ReadTx } from '#store/store.ts'
import type { EventNid, EventRow } from '#store/types/events.ts'
import type { StateId } from '#store/types/state.ts'

/** Users whose memberships at an event are looked up at once; of most servers there are fewer. */
const USERS_AT_ONCE = 50

/** One server's view of one room, within one transaction. */
export class ServerVisibility {
  readonly #tx: ReadTx
  readonly #room: ServerRoom
  readonly #timeSlice = new TimeSlice()
  readonly #visibilities = new Map<StateId, HistoryVisibility>()
  readonly #memberships = new Map<string, (string | null)[]>()
  readonly #lastJoins = new Map<number, number>()

  constructor(tx: ReadTx, room: ServerRoom) {
    this.#tx = tx
    this.#room = room
  }

  /**
   * Whether the server may learn of the event at all: a server in the room learns of each, though maybe only its
   * redacted copy, since the graph can't be followed without it; another one of those that it sees.
   */
  async learnsOf(row: EventRow): Promise<boolean> {
    return this.#room.isIn || (await this.sees(row))
  }

  /** Whether the server may see the event's content. */
  async sees(row: EventRow): Promise<boolean> {
    await this.#timeSlice.yieldIfDue()
    const { isIn, visibility: now } = this.#room
    // Of an event that only authorises others no state is known: what is open to members now decides.
    if (row.rank === null) return now === 'world_readable' || (now === 'shared' && isIn)
    const before = await this.#visibility(row.stateBefore)
    if (before === 'world_readable' || (before === 'shared' && isIn)) return true
    if (isVisibleToServer(row.event, before, [])) return true
    const users = await this.#room.users()
    for (let at = 0; at < users.length; at += USERS_AT_ONCE) {
      const viewers = await this.#viewers(row, at)
      if (isVisibleToServer(row.event, before, viewers)) return true
    }
    return false
  }

  /** Whether the server was in the room just before or after the event, or everybody could read it. */
  async wasIn(row: EventRow): Promise<boolean> {
    if (row.rank === null) return false
    if ((await this.#visibility(row.stateBefore)) === 'world_readable') return true
    const users = await this.#room.users()
    for (let at = 0; at < users.length; at += USERS_AT_ONCE) {
      if ((await this.#membershipsIn(row.stateBefore, at)).includes('join')) return true
      if ((await this.#membershipsIn(row.stateAfter, at)).includes('join')) return true
    }
    return false
  }

  /** The event as it is sent to the server: as it was received, or its redacted copy. */
  async pdu(row: EventRow): Promise<JsonObject> {
    return (await this.sees(row)) ? row.event.json : redactJson(row.event.json, row.event.rules)
  }

  async pdus(rows: readonly EventRow[]): Promise<JsonObject[]> {
    const pdus: JsonObject[] = []
    for (const row of rows) pdus.push(await this.pdu(row))
    return pdus
  }

  async #usersFrom(at: number): Promise<readonly ServerUser[]> {
    return (await this.#room.users()).slice(at, at + USERS_AT_ONCE)
  }

  async #viewers(row: EventRow, at: number): Promise<Viewer[]> {
    const memberships = await this.#membershipsIn(row.stateBefore, at)
    const viewers: Viewer[] = []
    for (const [index, user] of (await this.#usersFrom(at)).entries()) {
      const joinedLater = (await this.#lastJoin(user)) > (row.position ?? 0)
      viewers.push({ userId: user.userId, membership: memberships[index] ?? null, joinedLater })
    }
    return viewers
  }

  /** Until when the user is known to have been joined: forever while joined, else where their last join began. */
  async #lastJoin({ userNid, membership }: ServerUser): Promise<number> {
    if (membership === 'join') return Number.POSITIVE_INFINITY
    const known = this.#lastJoins.get(userNid)
    if (known !== undefined) return known
    const history = await this.#tx.memberships.history(userNid, this.#room.room.nid)
    const joined = history.findLast((entry) => entry.membership === 'join')
    const position = joined?.position ?? Number.NEGATIVE_INFINITY
    this.#lastJoins.set(userNid, position)
    return position
  }

  async #visibility(state: StateId): Promise<HistoryVisibility> {
    const known = this.#visibilities.get(state)
    if (known !== undefined) return known
    const nid = await this.#tx.state.get(state, 'm.room.history_visibility', '')
    const content = nid === null ? null : ((await this.#tx.events.byNids([nid])).get(nid)?.event.content ?? null)
    const visibility = readHistoryVisibility(content)
    this.#visibilities.set(state, visibility)
    return visibility
  }

  /** The memberships, in that state, of the users from the `at`th on. */
  async #membershipsIn(state: StateId, at: number): Promise<(string | null)[]> {
    const key = `${state} ${at}`
    const known = this.#memberships.get(key)
    if (known !== undefined) return known
    const users = await this.#usersFrom(at)
    const nids = await this.#tx.state.getMany(
      state,
      users.map(({ userId }) => ['m.room.member', userId] as const),
    )
    const events = await this.#tx.events.byNids(nids.filter((nid): nid is EventNid => nid !== null))
    const memberships = nids.map((nid) => (nid === null ? null : membershipIn(events.get(nid)?.event.content)))
    this.#memberships.set(key, memberships)
    return memberships
  }
}
