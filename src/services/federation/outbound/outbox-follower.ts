import { type ServerName, serverOf } from '#core/ids.ts'
import type { DueEvent } from '#services/federation/outbound/due-event.ts'
import type { ReceiptUpdate } from '#services/federation/outbound/pending-edus.ts'
import type { Recipients } from '#services/federation/outbound/recipients.ts'
import type { Claim, FollowedEntry, LogBatch } from '#services/log/follower.ts'
import type { Following } from '#services/log/following.ts'
import type { LogFollowers } from '#services/log/log-followers.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { LoggedEvent } from '#store/types/log.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

/** Has no private receipts. */
const NOBODY = 0 as UserNid

export type Outbox = {
  addEvent(servers: ReadonlySet<ServerName>, event: DueEvent): void
  addReceipts(servers: ReadonlySet<ServerName>, receipts: readonly ReceiptUpdate[]): void
}

type Deps = {
  readonly store: Store
  readonly followers: LogFollowers
  readonly claim: Claim
  readonly serverName: ServerName
  readonly recipients: Recipients
  readonly outbox: Outbox
}

type Found = {
  readonly events: readonly { readonly servers: ReadonlySet<ServerName>; readonly due: DueEvent }[]
  readonly receipts: readonly { readonly servers: ReadonlySet<ServerName>; readonly news: readonly ReceiptUpdate[] }[]
}

/** Follows the log for what local users did in rooms, and puts it into the outbox of each server that is in the room. */
export class OutboxFollower {
  readonly #deps: Deps
  readonly #following: Following
  readonly #timeSlice = new TimeSlice()

  constructor(deps: Deps) {
    this.#deps = deps
    this.#following = deps.followers.follow({
      name: deps.claim.lease.follower,
      topics: ['local_event', 'member', 'receipt'],
      claim: deps.claim,
      // What waits in memory for a server is to be found again after a crash.
      movesItself: true,
      handle: (batch) => this.#handle(batch),
      failed: () => deps.recipients.forget(),
    })
  }

  /** Everything up to here has been put into outboxes. */
  get position(): number {
    return this.#following.position
  }

  /** Resolves when the end of the log is reached. */
  idle(): Promise<void> {
    return this.#following.idle()
  }

  close(): Promise<void> {
    return this.#following.close()
  }

  async #handle(batch: LogBatch): Promise<null> {
    const { store, outbox } = this.#deps
    const { events, receipts } = this.#known(batch.entries) ?? (await store.read((tx) => this.#read(tx, batch)))
    for (const { servers, due } of events) {
      await this.#timeSlice.yieldIfDue()
      outbox.addEvent(servers, due)
    }
    for (const { servers, news } of receipts) outbox.addReceipts(servers, news)
    return null
  }

  /** Whom everything is for, where that can be said without asking the database, as in most rooms it can. */
  #known(entries: readonly FollowedEntry[]): Found | null {
    const { recipients } = this.#deps
    const events: Found['events'][number][] = []
    for (const { event, roomNid, userNid } of entries) {
      const servers = userNid === null && roomNid !== null ? recipients.known(roomNid) : null
      if (servers === null || (event === null && servers.size > 0)) return null
      if (event !== null && servers.size > 0) events.push({ servers, due: dueEvent(event) })
    }
    return { events, receipts: [] }
  }

  async #read(tx: ReadTx, batch: LogBatch): Promise<Found> {
    const { recipients } = this.#deps
    const events: Found['events'][number][] = []
    for (const { kind, event, roomNid, userNid } of batch.entries) {
      if (kind !== 'event' || roomNid === null) continue
      if (event !== null) {
        const servers = await recipients.of(tx, event)
        if (servers.size > 0) events.push({ servers, due: dueEvent(event) })
      }
      if (userNid !== null) recipients.membershipChanged(roomNid)
    }
    return { events, receipts: await this.#receipts(tx, batch) }
  }

  async #receipts(tx: ReadTx, { from, upTo, entries }: LogBatch): Promise<Found['receipts']> {
    const { recipients } = this.#deps
    const rooms = new Set<RoomNid>()
    for (const { kind, roomNid, userNid } of entries) {
      // Private ones name their user, and stay here.
      if (kind === 'receipt' && roomNid !== null && userNid === null) rooms.add(roomNid)
    }
    const found: Found['receipts'][number][] = []
    for (const room of rooms) {
      const servers = await recipients.inRoomNow(tx, room)
      const news = servers.size === 0 ? [] : await this.#receiptsIn(tx, room, from, upTo)
      if (news.length > 0) found.push({ servers, news })
    }
    return found
  }

  async #receiptsIn(tx: ReadTx, room: RoomNid, from: number, upTo: number): Promise<ReceiptUpdate[]> {
    const roomId = (await tx.rooms.roomIds([room])).get(room)
    const rows = await tx.receipts.ofRoomBetween(room, NOBODY, from, upTo)
    const users = await tx.users.userIds([...new Set(rows.map(({ userNid }) => userNid))])
    const news: ReceiptUpdate[] = []
    for (const { userNid, eventId, threadId, ts } of rows) {
      const userId = users.get(userNid)
      if (roomId === undefined || userId === undefined || serverOf(userId) !== this.#deps.serverName) continue
      news.push({ roomId, userId, eventId, threadId, ts })
    }
    return news
  }
}

function dueEvent({ roomNid, nid, position }: LoggedEvent): DueEvent {
  return { roomNid, eventNid: nid, position }
}
