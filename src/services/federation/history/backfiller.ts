/** Fetches history that other servers have and this one lacks, when somebody comes to read it. */
import { type RoomId, type ServerName, serverOf } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { BackfillPauses } from '#services/federation/history/backfill-pauses.ts'
import type { Fetcher } from '#services/federation/inbound/fetcher.ts'
import type { Backfilled } from '#services/federation/inbound/history-import.ts'
import { residentServers } from '#services/federation/reads/resident-servers.ts'
import type { BackOff } from '#services/federation/transport/back-off.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { Gap } from '#store/types/backward-extremities.ts'
import type { RoomRow } from '#store/types/rooms.ts'

/** Takes in events that were asked for because they come before others. */
export interface HistoryIngest {
  /** Checks them as any event from elsewhere and gives them their place in the room's timeline: `HistoryImport`. */
  backfilled(
    roomId: RoomId,
    via: ServerName,
    pdus: readonly JsonObject[],
    throughDropped?: boolean,
  ): Promise<Backfilled>
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

  /**
   * Fills the gaps that lie in a stretch of the timeline, as far as it can in a short time. Never throws for others.
   *
   * @returns whether more may come another time: it stopped for time, or another server could not be reached
   */
  async fill(stretch: Stretch): Promise<boolean> {
    const { store, clock } = this.#deps
    const began = clock()
    for (let round = 0; round < ROUNDS_MAX && clock() - began < TIME_MS_MAX; round += 1) {
      const plan = await store.read((tx) => this.#plan(tx, stretch))
      if (plan === null || plan.gap === null) return plan?.mayCome ?? false
      if (!(await this.#fillOnce({ ...plan, gap: plan.gap }))) {
        return plan.mayCome || this.#holds.mayCome(plan.gap.missing)
      }
    }
    return true
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

  /** The nearest gap in the stretch that may be tried, with the servers to ask; null where nothing is to be had. */
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
    const inStretch = gaps.filter(({ rank }) => rank > floor)
    const held = inStretch.filter(({ missing }) => this.#holds.isHeld(missing))
    const gap = inStretch.find((one) => !held.includes(one)) ?? null
    const mayCome = held.some(({ missing }) => this.#holds.mayCome(missing))
    return { room, gap, servers: gap === null ? [] : await this.#serversFor(tx, room, gap), mayCome }
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

  #fillOnce(plan: Plan & { readonly gap: Gap }): Promise<boolean> {
    const { roomId } = plan.room
    const waiting = this.#underWay.get(roomId)
    if (waiting !== undefined) return waiting
    const filling = this.#ask(plan).finally(() => this.#underWay.delete(roomId))
    this.#underWay.set(roomId, filling)
    return filling
  }

  /** Whether something came. */
  async #ask({ room, gap, servers }: Plan & { readonly gap: Gap }): Promise<boolean> {
    const { fetcher, ingest } = this.#deps
    let isAnswered = false
    let isMissed = false
    let blocked: { readonly server: ServerName; readonly pdus: readonly JsonObject[] } | null = null
    for (const server of servers) {
      const pdus = await fetcher.backfill(server, room.roomId, [gap.missing], BACKFILL_EVENTS)
      isAnswered ||= pdus !== null
      isMissed ||= pdus === null
      if (pdus === null || pdus.length === 0) continue
      const { placed, isBlocked } = await ingest.backfilled(room.roomId, server, pdus)
      if (placed > 0) {
        this.#holds.filled(gap.missing)
        return true
      }
      if (isBlocked) blocked ??= { server, pdus }
    }
    this.#holds.failed(gap.missing, isAnswered ? 'useless' : 'unreachable', isMissed)
    if (blocked === null) return false
    // Nobody has it in a form that can be taken: what comes before it is had all the same.
    const { placed, opened } = await ingest.backfilled(room.roomId, blocked.server, blocked.pdus, true)
    return placed + opened > 0
  }
}

type Plan = {
  readonly room: RoomRow
  /** null where there are none, or all were asked for in vain not long ago. */
  readonly gap: Gap | null
  readonly servers: readonly ServerName[]
  /** One of those that aren't tried now may come when its servers are back. */
  readonly mayCome: boolean
}

/** Gaps of one stretch that are considered; the ones that failed lately are passed over. */
const GAPS_LOOKED_AT = 500
