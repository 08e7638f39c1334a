import assert from 'node:assert/strict'
import type { EventId, RoomId, UserId } from '#core/ids.ts'
import { client } from '#test/simulation/actions.ts'
import type { RoomCopy } from '#test/simulation/invariants.ts'
import type { SimulatedServer } from '#test/simulation/simulated-server.ts'

const FILTER = encodeURIComponent(JSON.stringify({ room: { timeline: { limit: 100 } } }))

/** More than a simulated room has. */
const LATE_REDACTIONS_MAX = 10_000

/** A client that keeps what `/sync` gave it of each room's timeline. */
export class SyncReader {
  readonly user: UserId
  readonly #server: SimulatedServer
  #since: string | null = null
  readonly #timelines = new Map<RoomId, EventId[]>()

  constructor(server: SimulatedServer, user: UserId) {
    this.#server = server
    this.user = user
  }

  /** One sync without waiting. A crash of the server leaves it unanswered; the next one asks again. */
  async read(): Promise<void> {
    if (!this.#server.isUp) return
    const since = this.#since === null ? '' : `&since=${this.#since}`
    const path = `/sync?timeout=0&filter=${FILTER}${since}`
    const { status, body } = await client({ server: this.#server, user: this.user }, 'GET', path)
    if (status !== 200) throw new Error(`/sync: ${status} ${JSON.stringify(body)}`)
    // Another one that was asked meanwhile was faster.
    if (since !== (this.#since === null ? '' : `&since=${this.#since}`)) return
    this.#since = body.next_batch
    for (const part of ['join', 'leave'] as const) {
      for (const [roomId, { timeline }] of Object.entries<SyncRoom>(body.rooms?.[part] ?? {})) {
        const ids = timeline.events.map(({ event_id }) => event_id)
        const before = timeline.limited ? [] : (this.#timelines.get(roomId as RoomId) ?? [])
        this.#timelines.set(roomId as RoomId, [...before, ...ids])
      }
    }
  }

  /**
   * I3: what sync gave is what `/messages` gives, in the same order, but for history that came in between later on, and
   * for what came when the server didn't know, by a state that lacked members, that the user was one, and for redactions
   * that came before what they redact: these are given when they take effect. `shown` is oldest first.
   */
  async check(copy: RoomCopy, shown: readonly EventId[]): Promise<void> {
    const timeline = this.#timelines.get(copy.row.roomId)
    if (timeline === undefined || shown.length === 0) return
    const [first] = timeline
    const places = new Map(shown.map((eventId, index) => [eventId, index]))
    assert.equal(new Set(timeline).size, timeline.length, `I3: ${this.user} was given an event twice`)
    const late = await this.#lateRedactions(copy)
    const ordered = timeline.filter((eventId) => places.has(eventId) && !late.has(eventId))
    const sorted = [...ordered].sort((a, b) => places.get(a)! - places.get(b)!)
    assert.deepEqual(ordered, sorted, `I3: ${this.user} was given events in another order`)
    const start = first === undefined ? undefined : places.get(first)
    const last = timeline.findLast((eventId) => places.has(eventId))
    if (start === undefined || last === undefined) return
    const given = new Set(timeline)
    const wasMember = await this.#wasMember(copy)
    const expected = shown.slice(start, places.get(last)! + 1).filter((eventId) => {
      const position = copy.events.get(eventId)?.position ?? null
      return position !== null && !late.has(eventId) && wasMember(position)
    })
    const left = expected.filter((eventId) => !given.has(eventId))
    assert.deepEqual(left, [], `I3: ${this.user} was not given these`)
  }

  async #lateRedactions({ row }: RoomCopy): Promise<Set<EventId>> {
    const late = await this.#server.store.read((tx) =>
      tx.events.lateRedactions(row.nid, 0, Number.MAX_SAFE_INTEGER, LATE_REDACTIONS_MAX),
    )
    return new Set(late.map(({ event }) => event.eventId))
  }

  /** Whether the server took the user for a member at a position. */
  async #wasMember({ row }: RoomCopy): Promise<(position: number) => boolean> {
    const history = await this.#server.store.read(async (tx) => {
      const user = await tx.users.nid(this.user)
      return user === null ? [] : tx.memberships.history(user, row.nid)
    })
    return (position) => history.findLast((one) => one.position <= position)?.membership === 'join'
  }
}

type SyncRoom = { readonly timeline: { readonly limited: boolean; readonly events: { readonly event_id: EventId }[] } }
