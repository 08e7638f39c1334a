/** Fetches history that other servers have and this one lacks, when somebody comes to read it. */
import { type RoomId, type ServerName, serverOf } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { BackfillPauses } from '#services/federation/history/backfill-pauses.ts'
import type { Fetcher } from '#services/federation/inbound/fetcher.ts'
import { residentServers } from '#services/federation/reads/resident-servers.ts'
import type { BackOff } from '#services/federation/transport/back-off.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { Gap } from '#store/types/backward-extremities.ts'
import type { RoomRow } from '#store/types/rooms.ts'

/** Takes in events that were asked for because they come before others. */
export interface HistoryIngest {
  /**
   * Checks them as any event from elsewhere and gives them their place in the room's timeline.
   *
   * @returns how many took a place
   */
  backfilled(roomId: RoomId, via: ServerName, pdus: readonly JsonObject[]): Promise<number>
}

type Deps = {
  readonly store: Store
  readonly serverName: ServerName
  readonly fetcher: Pick<Fetcher, 'backfill'>
  readonly backOff: Pick<BackOff, 'reachableFirst'>
  readonly ingest: HistoryIngest
  readonly clock: () => number
}

/** Where a reader is, and how far they look. */
export type Stretch = {
  readonly roomId: RoomId
  /** Events at and below this rank are about to be read. */
  readonly fromRank: number
  /** So many of them. */
  readonly events: number
}

/** Events in one request to another server. */
const BACKFILL_EVENTS = 100
/** Requests that bring something, for one reader. */
const ROUNDS_MAX = 5
/** Servers that are asked for one missing event, one after another. */
const SERVERS_MAX = 4
/** After this, the reader gets what there is. */
const TIME_MS_MAX = 15_000

export class Backfiller {
  readonly #deps: Deps
  readonly #holds: BackfillPauses
  /** The fetch that is under way in each room; others who need it wait for it. */
  readonly #underWay = new Map<RoomId, Promise<boolean>>()

  constructor(deps: Deps) {
    this.#deps = deps
    this.#holds = new BackfillPauses(deps.clock)
  }

  /** Fills the gaps that lie in a stretch of the timeline, as far as it can in a short time. Never throws for others. */
  async fill(stretch: Stretch): Promise<void> {
    const { store, clock } = this.#deps
    const began = clock()
    for (let round = 0; round < ROUNDS_MAX && clock() - began < TIME_MS_MAX; round += 1) {
      const plan = await store.read((tx) => this.#plan(tx, stretch))
      if (plan === null || !(await this.#fillOnce(plan))) return
    }
  }

  /**
   * Whether there is history below everything that is stored of the room, which may come some other time.
   *
   * @returns the rank of the oldest event here, below which it is missing, or null
   */
  async missingBelow(roomId: RoomId): Promise<number | null> {
    return this.#deps.store.read(async (tx) => {
      const room = await tx.rooms.byId(roomId)
      if (room === null || !room.isResident) return null
      const [oldest] = await tx.events.timeline({ room: room.nid, direction: 'forwards', limit: 1 })
      if (oldest === undefined || oldest.rank === null) return null
      const [gap] = await tx.backwardExtremities.below(room.nid, oldest.rank, 1)
      return gap === undefined ? null : oldest.rank
    })
  }

  /** The nearest gap in the stretch that may be tried, with the servers to ask. */
  async #plan(tx: ReadTx, { roomId, fromRank, events }: Stretch): Promise<Plan | null> {
    const room = await tx.rooms.byId(roomId)
    // Those who aren't in the room get nothing more of it.
    if (room === null || !room.isResident) return null
    const rows = await tx.events.timeline({
      room: room.nid,
      direction: 'backwards',
      beforeRank: fromRank + 1,
      limit: events,
    })
    const floor = rows.length < events ? Number.NEGATIVE_INFINITY : (rows.at(-1)?.rank ?? Number.NEGATIVE_INFINITY)
    // What the event just above the stretch lacks belongs into it.
    const gaps = await tx.backwardExtremities.below(room.nid, fromRank + 1, GAPS_LOOKED_AT)
    const gap = gaps.find(({ missing, rank }) => rank > floor && !this.#holds.isHeld(missing))
    return gap === undefined ? null : { room, gap, servers: await this.#serversFor(tx, room, gap) }
  }

  /** The server of whoever cited the missing event has it, most likely; then those with the most users. */
  async #serversFor(tx: ReadTx, room: RoomRow, gap: Gap): Promise<ServerName[]> {
    const { serverName, backOff } = this.#deps
    const resident = await residentServers(tx, room, serverName)
    const sender = (await tx.events.sendersOf([gap.citedBy])).get(gap.citedBy)
    const first = sender === undefined ? [] : resident.filter((server) => server === serverOf(sender))
    const others = [...new Set([...first, ...resident])].filter((server) => server !== serverName)
    return backOff.reachableFirst(others).slice(0, SERVERS_MAX)
  }

  #fillOnce(plan: Plan): Promise<boolean> {
    const { roomId } = plan.room
    const waiting = this.#underWay.get(roomId)
    if (waiting !== undefined) return waiting
    const filling = this.#ask(plan).finally(() => this.#underWay.delete(roomId))
    this.#underWay.set(roomId, filling)
    return filling
  }

  /** Whether something came. */
  async #ask({ room, gap, servers }: Plan): Promise<boolean> {
    const { fetcher, ingest } = this.#deps
    let answered = false
    for (const server of servers) {
      const pdus = await fetcher.backfill(server, room.roomId, [gap.missing], BACKFILL_EVENTS)
      if (pdus === null) continue
      answered = true
      if (pdus.length > 0 && (await ingest.backfilled(room.roomId, server, pdus)) > 0) {
        this.#holds.filled(gap.missing)
        return true
      }
    }
    this.#holds.failed(gap.missing, answered ? 'useless' : 'unreachable')
    return false
  }
}

type Plan = { readonly room: RoomRow; readonly gap: Gap; readonly servers: readonly ServerName[] }

/** Gaps of one stretch that are considered; the ones that failed lately are passed over. */
const GAPS_LOOKED_AT = 20
