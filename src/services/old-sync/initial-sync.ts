import { EVENT_LIMIT_MAX, parseRoomEventFilter } from '#core/filter/event-filter.ts'
import type { RoomId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { allAccountData } from '#services/account-data/account-data-feed.ts'
import type { EphemeralSequence } from '#services/log/ephemeral-sequence.ts'
import { seenPresence } from '#services/old-sync/seen-presence.ts'
import type { PresenceService } from '#services/presence/presence-service.ts'
import { receiptUpdates } from '#services/receipts/receipt-events.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { ClientEvents, Viewer } from '#services/timeline/client-events.ts'
import { accessToRoom, findAccess, type RoomAccess } from '#services/timeline/room-access.ts'
import { stateEvents } from '#services/timeline/room-state.ts'
import { scanTimeline } from '#services/timeline/scan.ts'
import { PAGE_LIMIT_DEFAULT } from '#services/timeline/timeline.ts'
import { tokenAtRank } from '#services/timeline/token-rank.ts'
import { formatToken } from '#services/timeline/tokens.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { AccountDataRow } from '#store/types/account-data.ts'
import type { MembershipRow } from '#store/types/memberships.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** A room as an answer describes it (definition RoomInfo), with `presence` and `receipts` as clients of 2014 knew it. */
export type RoomInfo = JsonObject

export type InitialSyncAnswer = {
  readonly end: string
  readonly presence: readonly JsonObject[]
  readonly rooms: readonly RoomInfo[]
  readonly account_data: readonly JsonObject[]
}

type Deps = {
  readonly store: Store
  readonly clientEvents: ClientEvents
  readonly presence: PresenceService
  readonly sequence: EphemeralSequence
  readonly clock: () => number
}
type Limit = { readonly limit: number | null }

/** What both answers are made of: one snapshot, and the user's account data in it. */
type Snapshot = {
  readonly tx: ReadTx
  readonly viewer: Viewer
  readonly limit: number
  readonly accountData: readonly AccountDataRow[]
  /** Where `/events` goes on. */
  readonly end: string
}

const EVERYTHING = parseRoomEventFilter({})

/** `GET /initialSync` and `GET /rooms/{roomId}/initialSync`: the state of things before `/events` is listened to. */
export class InitialSync {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** All rooms that the user is joined or invited to; with `archived`, those that they left too. */
  all(
    viewer: Viewer,
    options: Limit & { readonly archived: boolean },
    signal: AbortSignal,
  ): Promise<InitialSyncAnswer> {
    return this.#read(viewer, options, async (snapshot) => {
      const wanted = options.archived ? (['join', 'invite', 'leave', 'ban'] as const) : (['join', 'invite'] as const)
      const rows = await snapshot.tx.memberships.ofUser(viewer.userNid, wanted)
      const roomIds = await snapshot.tx.rooms.roomIds(rows.map(({ roomNid }) => roomNid))
      const timeSlice = new TimeSlice(signal)
      const rooms: RoomInfo[] = []
      for (const row of rows) {
        await timeSlice.yieldIfDue()
        const roomId = roomIds.get(row.roomNid)
        if (roomId !== undefined) rooms.push(await this.#room(snapshot, roomId, row))
      }
      const joined = new Set(rows.filter(({ membership }) => membership === 'join').map(({ roomNid }) => roomNid))
      const presence = await this.#presence(snapshot, joined)
      return { end: snapshot.end, presence, rooms, account_data: accountDataOf(snapshot, null) }
    })
  }

  /** One room, which the user may also only peek into. @throws M_FORBIDDEN */
  room(viewer: Viewer, roomId: RoomId, options: Limit): Promise<RoomInfo> {
    return this.#read(viewer, options, async (snapshot) =>
      this.#readableRoom(snapshot, await accessToRoom(snapshot.tx, roomId, viewer)),
    )
  }

  #read<T>(viewer: Viewer, { limit }: Limit, fn: (snapshot: Snapshot) => Promise<T>): Promise<T> {
    const { mark } = this.#deps.sequence
    return this.#deps.store.read(async (tx) => {
      const end = formatToken({ kind: 'stream', position: await tx.position(), ...mark })
      const accountData = await allAccountData(tx, viewer)
      return fn({ tx, viewer, limit: Math.min(limit ?? PAGE_LIMIT_DEFAULT, EVENT_LIMIT_MAX), accountData, end })
    })
  }

  async #room(snapshot: Snapshot, roomId: RoomId, row: MembershipRow): Promise<RoomInfo> {
    const { tx, viewer } = snapshot
    const access = row.membership === 'invite' ? null : await findAccess(tx, roomId, viewer)
    if (access !== null) return this.#readableRoom(snapshot, access)
    const member = (await tx.events.byNids([row.eventNid])).get(row.eventNid)
    const info = { room_id: roomId, membership: row.membership }
    if (member === undefined || row.membership !== 'invite') return info
    const [invite = {}] = await this.#deps.clientEvents.serialise(tx, [member], viewer, { withRoomId: true })
    return { ...info, inviter: member.event.sender, invite }
  }

  /** Of all who aren't offline and share one of the rooms with the user. */
  #presence({ tx, viewer }: Snapshot, rooms: ReadonlySet<RoomNid>): Promise<JsonObject[]> {
    const { presence } = this.#deps
    return seenPresence(tx, { ...this.#deps, viewer, rooms }, presence.changedSince(null))
  }

  async #presenceIn({ tx, viewer }: Snapshot, room: RoomNid): Promise<JsonObject[]> {
    const members = new Set((await tx.memberships.ofRoom(room, ['join'])).map(({ userNid }) => userNid))
    const present = this.#deps.presence.changedSince(null).filter(({ userNid }) => members.has(userNid))
    return seenPresence(tx, { ...this.#deps, viewer, rooms: new Set([room]) }, present)
  }

  async #readableRoom(snapshot: Snapshot, access: RoomAccess): Promise<RoomInfo> {
    const { tx, viewer, limit } = snapshot
    const { room, membership } = access
    const { clientEvents } = this.#deps
    const scanned = await scanTimeline(tx, access, { direction: 'backwards', limit, filter: EVERYTHING })
    const rows = scanned.rows.toReversed()
    const stretch = { from: 0, to: await tx.position() }
    const state = await stateEvents(tx, access.stateId)
    return {
      room_id: room.roomId,
      // The answer has no word for a knock.
      ...(membership === null || membership === 'knock' ? {} : { membership }),
      messages: {
        start: tokenAtRank((scanned.lastRank ?? room.rankMax + 1) - 1),
        end: snapshot.end,
        chunk: await clientEvents.serialise(tx, rows, viewer, { withRoomId: true }),
      },
      state: await clientEvents.serialise(tx, state, viewer, { withRoomId: true }),
      visibility: room.published ? 'public' : 'private',
      account_data: accountDataOf(snapshot, room.roomId),
      presence: membership === 'join' ? await this.#presenceIn(snapshot, room.nid) : [],
      receipts: membership === 'join' ? await receiptUpdates(tx, room.nid, viewer.userNid, stretch) : [],
    }
  }
}

function accountDataOf({ accountData }: Snapshot, roomId: RoomId | null): JsonObject[] {
  return accountData.filter((row) => row.roomId === roomId).map(({ type, content }) => ({ type, content }))
}
