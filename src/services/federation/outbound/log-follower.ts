import { type ServerName, serverOf } from '#core/ids.ts'
import type { DueEvent } from '#services/federation/outbound/due-event.ts'
import type { ReceiptNews } from '#services/federation/outbound/pending-edus.ts'
import type { Recipients } from '#services/federation/outbound/recipients.ts'
import { LogFollowing } from '#services/log/log-following.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { LogEntry } from '#store/types/log.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

/** How many log entries one look takes. */
const ENTRIES_PER_LOOK_MAX = 500
/** Has no private receipts. */
const NOBODY = 0 as UserNid

export type Outbox = {
  addEvent(servers: ReadonlySet<ServerName>, event: DueEvent): void
  addReceipts(servers: ReadonlySet<ServerName>, receipts: readonly ReceiptNews[]): void
}

type Deps = {
  readonly store: Store
  readonly serverName: ServerName
  readonly recipients: Recipients
  readonly outbox: Outbox
  readonly onError: (error: unknown) => void
  /** Where it goes on from. */
  readonly from: number
}

type Found = {
  readonly upTo: number
  readonly events: readonly { readonly servers: ReadonlySet<ServerName>; readonly due: DueEvent }[]
  readonly receipts: readonly { readonly servers: ReadonlySet<ServerName>; readonly news: readonly ReceiptNews[] }[]
}

/** Follows the log for what local users did in rooms, and puts it into the outbox of each server that is in the room. */
export class LogFollower {
  readonly #deps: Deps
  readonly #following: LogFollowing
  readonly #timeSlice = new TimeSlice()

  constructor(deps: Deps) {
    this.#deps = deps
    const { store, recipients, from } = deps
    const onError = (error: unknown) => {
      recipients.forget()
      deps.onError(error)
    }
    this.#following = new LogFollowing({ store, from, step: (position) => this.#step(position), onError })
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

  async #step(from: number): Promise<number> {
    const { store, outbox } = this.#deps
    await this.#timeSlice.yieldIfDue()
    const { upTo, events, receipts } = await store.read((tx) => this.#read(tx, from))
    for (const { servers, due } of events) {
      await this.#timeSlice.yieldIfDue()
      outbox.addEvent(servers, due)
    }
    for (const { servers, news } of receipts) outbox.addReceipts(servers, news)
    return upTo
  }

  async #read(tx: ReadTx, from: number): Promise<Found> {
    const { recipients } = this.#deps
    const end = await tx.position()
    const entries = await tx.log.between(from, end, ENTRIES_PER_LOOK_MAX)
    const upTo = entries.length < ENTRIES_PER_LOOK_MAX ? end : (entries.at(-1)?.position ?? end)
    const rows = entries.some(({ kind }) => kind === 'event')
      ? await tx.events.localEventsBetween(from, upTo, ENTRIES_PER_LOOK_MAX)
      : []
    const byPosition = new Map(rows.map((row) => [row.position, row]))
    const events: Found['events'][number][] = []
    for (const { kind, position, roomNid, userNid } of entries) {
      if (kind !== 'event' || roomNid === null) continue
      const row = byPosition.get(position)
      if (row !== undefined) {
        const servers = await recipients.of(tx, row)
        if (servers.size > 0) events.push({ servers, due: { roomNid, eventNid: row.nid, position } })
      }
      if (userNid !== null) recipients.membershipChanged(roomNid)
    }
    return { upTo, events, receipts: await this.#receipts(tx, entries, from, upTo) }
  }

  async #receipts(tx: ReadTx, entries: readonly LogEntry[], from: number, upTo: number): Promise<Found['receipts']> {
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

  async #receiptsIn(tx: ReadTx, room: RoomNid, from: number, upTo: number): Promise<ReceiptNews[]> {
    const roomId = (await tx.rooms.roomIds([room])).get(room)
    const rows = await tx.receipts.ofRoomBetween(room, NOBODY, from, upTo)
    const users = await tx.users.userIds([...new Set(rows.map(({ userNid }) => userNid))])
    const news: ReceiptNews[] = []
    for (const { userNid, eventId, threadId, ts } of rows) {
      const userId = users.get(userNid)
      if (roomId === undefined || userId === undefined || serverOf(userId) !== this.#deps.serverName) continue
      news.push({ roomId, userId, eventId, threadId, ts })
    }
    return news
  }
}
