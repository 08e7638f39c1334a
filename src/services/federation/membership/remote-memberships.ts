/** What users ask about their memberships, in rooms that this server is in and in those that it isn't in. */
import type { Event } from '#core/event/event.ts'
import { domainOf, type EventId, isUserId, type RoomId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { type JsonObject, member } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import type { Handshakes } from '#services/federation/membership/handshakes.ts'
import type { JoinImport } from '#services/federation/membership/join-import.ts'
import type { OutOfBandEvents } from '#services/federation/membership/out-of-band-events.ts'
import type { OutgoingInvites } from '#services/federation/membership/outgoing-invites.ts'
import type { HandshakeMembership, WantedMembership } from '#services/federation/membership/own-member-event.ts'
import type { ThirdPartyExchanges } from '#services/federation/membership/third-party-exchanges.ts'
import { membershipOf, profileContent, reasonContent } from '#services/rooms/members/member-content.ts'
import type { RoomMemberships } from '#services/rooms/members/memberships.ts'
import { NobodyMayInviteError } from '#services/rooms/members/restricted-joins.ts'
import { transferSettings } from '#services/rooms/members/settings-transfer.ts'
import { RefusedEventError } from '#services/rooms/refused-event-error.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import type { Timers } from '#services/time/timers.ts'
import type { ReadTx } from '#store/store.ts'
import type { RoomRow } from '#store/types/rooms.ts'

type Who = { readonly userId: UserId; readonly isGuest: boolean }

/** What else a client may say of a knock. */
export type KnockRequest = { readonly via: readonly ServerName[]; readonly reason?: string | undefined }

/** What else a client may say of a join. */
export type JoinRequest = {
  /** Servers that may be in the room, best first. */
  readonly via: readonly ServerName[]
  /** What the client wants in its member event, the reason for example. */
  readonly content?: JsonObject
  /** Proof of a third-party identifier that was invited. */
  readonly thirdPartySigned?: JsonObject | undefined
}

type Deps = {
  readonly context: RoomContext
  readonly memberships: RoomMemberships
  readonly handshakes: Handshakes
  readonly joinImport: JoinImport
  readonly exchanges: ThirdPartyExchanges
  readonly outside: OutOfBandEvents
  readonly invites: OutgoingInvites
  readonly timers: Timers
  /** Told of a join by way of another server. */
  readonly onLetIn: () => void
  /** What one of these servers says of a room that this one isn't in. */
  readonly guestsMayJoin: (roomId: RoomId, servers: readonly ServerName[]) => Promise<boolean>
}

/** How long a user waits for others who join the same room. */
const TURN_MS_MAX = 60_000

export class RemoteMemberships {
  readonly #deps: Deps
  /** Joins by way of other servers that are under way; a room is joined for one user at a time. */
  readonly #joining = new Map<RoomId, Promise<void>>()

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Joins the user, by way of another server where this one isn't in the room or can't let the user in by itself.
   *
   * @throws M_FORBIDDEN; M_NOT_FOUND where no server is known to be in the room; M_INCOMPATIBLE_ROOM_VERSION and whatever
   *   else the asked servers say; M_UNKNOWN (502) where none can be asked
   */
  async join(user: Who, roomId: RoomId, request: JoinRequest): Promise<void> {
    if (await this.#joinLocally(user, roomId, request)) return
    this.#deps.context.limiter.take('joinRemote', user.userId)
    if (user.isGuest) await this.#checkGuest(user.userId, roomId, request.via)
    await this.#inTurn(roomId, () => this.#joinRemotely(user, roomId, request))
    if (!user.isGuest) return
    // Now it is known what the room says by itself.
    await this.#deps.memberships.turnOutGuests(roomId)
    const joined = await this.#deps.context.store.read((tx) => isJoined(tx, user.userId, roomId))
    if (!joined) throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'Guests can not join this room')
  }

  /**
   * A guest may follow an invite to a room of other servers, where they say that guests may join.
   *
   * NOTSPEC: guests can't join other rooms elsewhere. Anybody can have any number of guest accounts.
   */
  async #checkGuest(userId: UserId, roomId: RoomId, via: readonly ServerName[]): Promise<void> {
    const outside = await this.#deps.context.store.read((tx) => outOfBandMembership(tx, userId, roomId))
    const isInvited = membershipOf(outside?.event ?? null) === 'invite'
    const servers = isInvited ? await this.#candidates(userId, roomId, via) : []
    if (isInvited && (await this.#deps.guestsMayJoin(roomId, servers))) return
    throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'Guests can not join this room')
  }

  /** Asks to be let in, by way of another server where this one isn't in the room. @throws as `join` */
  async knock(user: Who, roomId: RoomId, request: KnockRequest): Promise<void> {
    if (await this.#knowsStanding(user.userId, roomId)) {
      await this.#deps.memberships.knock(user, roomId, request.reason)
      return
    }
    this.#deps.context.limiter.take('joinRemote', user.userId)
    const wanted = await this.#wanted(user.userId, roomId, 'knock', reasonContent(request.reason))
    const servers = await this.#candidates(user.userId, roomId, request.via)
    await this.#deps.handshakes.perform(wanted, servers, (handshake) => this.#deps.outside.knocked(handshake))
  }

  /**
   * Leaves the room, rejects the invite or takes back the knock. Where no server can be told of it, the user is rid of
   * the room all the same.
   */
  async leave(user: Who, roomId: RoomId, reason?: string): Promise<void> {
    const { memberships, context } = this.#deps
    const outside = await context.store.read((tx) => outOfBandMembership(tx, user.userId, roomId))
    if (outside === null) {
      await memberships.leave(user, roomId, reason)
      return
    }
    if (outside.room.isResident) {
      try {
        await memberships.leave(user, roomId, reason)
        return
      } catch (error) {
        // The room as it is here doesn't know of the invite.
        if (!(error instanceof RefusedEventError)) throw error
      }
    }
    const wanted = await this.#wanted(user.userId, roomId, 'leave', reasonContent(reason))
    const servers = await this.#candidates(user.userId, roomId, [])
    try {
      await this.#deps.handshakes.perform(wanted, servers, (handshake) => this.#deps.outside.left(handshake.event))
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error
      await this.#deps.outside.leaveAlone(wanted, outside.event)
    }
  }

  /** Invites a user of any server. @throws as `RoomMemberships.invite` and `OutgoingInvites.invite` */
  async invite(user: Who, roomId: RoomId, target: UserId, reason?: string, content: JsonObject = {}): Promise<void> {
    const { context, memberships, invites } = this.#deps
    if (serverOf(target) === context.serverName) {
      await memberships.invite(user, roomId, target, reason)
      return
    }
    context.limiter.take('invitePerRoom', roomId)
    context.limiter.take('invitePerTarget', target)
    context.limiter.take('invitePerIssuer', user.userId)
    await invites.invite({ sender: user.userId, roomId, target, content: { ...content, ...reasonContent(reason) } })
  }

  /**
   * Invites users of other servers to a room that was just made for that, `invitees` being those of this server too.
   * One who can't be invited doesn't spoil the room: the creator sees who is missing.
   */
  async inviteToNewRoom(
    sender: UserId,
    roomId: RoomId,
    invitees: readonly UserId[],
    isDirect: boolean | undefined,
  ): Promise<void> {
    const { context, invites } = this.#deps
    const content: JsonObject = isDirect === undefined ? {} : { is_direct: isDirect }
    const others = [...new Set(invitees)].filter((target) => serverOf(target) !== context.serverName)
    const outcomes = await Promise.allSettled(
      others.map((target) => invites.invite({ sender, roomId, target, content })),
    )
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected' && !(outcome.reason instanceof MatrixError)) throw outcome.reason
    }
  }

  /** Invites by a state event; null for a user of this server, to whom nothing special applies. @throws as `invite` */
  async inviteByState(user: Who, roomId: RoomId, target: UserId, content: JsonObject): Promise<EventId | null> {
    if (serverOf(target) === this.#deps.context.serverName) return null
    const { membership: _membership, join_authorised_via_users_server: _via, ...given } = content
    await this.invite(user, roomId, target, undefined, given)
    const event = await this.#deps.context.store.read(async (tx) => {
      const room = await tx.rooms.byId(roomId)
      const nid = room === null ? null : await tx.state.currentOne(room.nid, 'm.room.member', target)
      return nid === null ? undefined : (await tx.events.byNids([nid])).get(nid)?.event
    })
    return event?.eventId ?? null
  }

  /**
   * Waits for those who join the room already, one of whom may bring this server into it.
   *
   * @throws M_UNKNOWN (504) where they take too long
   */
  async #inTurn(roomId: RoomId, join: () => Promise<void>): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<'late'>()
    const cancel = this.#deps.timers.after(TURN_MS_MAX, () => resolve('late'))
    for (let before = this.#joining.get(roomId); before !== undefined; before = this.#joining.get(roomId)) {
      if ((await Promise.race([before.catch(() => undefined), late])) !== 'late') continue
      throw new MatrixError('M_UNKNOWN', 'Others are still joining the room', { status: 504 })
    }
    cancel()
    const joining = join().finally(() => this.#joining.delete(roomId))
    this.#joining.set(roomId, joining)
    await joining
  }

  /** False where it takes another server. */
  async #joinLocally(user: Who, roomId: RoomId, request: JoinRequest): Promise<boolean> {
    if (!(await this.#knowsStanding(user.userId, roomId))) return false
    try {
      await this.#deps.memberships.join(user, roomId, request.content, request.thirdPartySigned)
      return true
    } catch (error) {
      if (!(error instanceof NobodyMayInviteError) || !(await this.#hasOthers(roomId))) throw error
      return false
    }
  }

  async #joinRemotely(user: Who, roomId: RoomId, request: JoinRequest): Promise<void> {
    // Another user may have brought this server into the room meanwhile.
    if (await this.#joinLocally(user, roomId, request)) return
    const { userId } = user
    const { via, content = {}, thirdPartySigned } = request
    const candidates = await this.#candidates(userId, roomId, via)
    const servers =
      thirdPartySigned === undefined ? candidates : await this.#exchanged(userId, roomId, thirdPartySigned, candidates)
    const wanted = await this.#wanted(userId, roomId, 'join', content)
    await this.#deps.handshakes.perform(wanted, servers, (handshake) => this.#deps.joinImport.take(handshake))
    await transferSettings(this.#deps.context, userId, roomId)
    this.#deps.onLetIn()
  }

  /** Has the user invited, unless they are. Returns whom to join by way of: whoever invited them knows of it. */
  async #exchanged(
    userId: UserId,
    roomId: RoomId,
    signed: JsonObject,
    candidates: readonly ServerName[],
  ): Promise<readonly ServerName[]> {
    const outside = await this.#deps.context.store.read((tx) => outOfBandMembership(tx, userId, roomId))
    if (membershipOf(outside?.event ?? null) === 'invite') return candidates
    const server = await this.#deps.exchanges.exchange({ userId, roomId, signed }, candidates)
    return [server, ...candidates]
  }

  async #wanted(
    userId: UserId,
    roomId: RoomId,
    membership: HandshakeMembership,
    given: JsonObject,
  ): Promise<WantedMembership> {
    const { store, serverName, clock } = this.#deps.context
    const profile = membership === 'leave' ? {} : await store.read((tx) => profileContent(tx, userId, serverName))
    return { roomId, userId, membership, content: { ...profile, ...given }, originServerTs: clock() }
  }

  /**
   * Whether this server is in the room and knows how the user stands to it. While the members are still being fetched,
   * the user may be banned for all that is known here, which other servers know.
   */
  async #knowsStanding(userId: UserId, roomId: RoomId): Promise<boolean> {
    return this.#deps.context.store.read(async (tx) => {
      const room = await tx.rooms.byId(roomId)
      if (room === null || !room.isResident) return false
      return room.partial === null || (await tx.state.currentOne(room.nid, 'm.room.member', userId)) !== null
    })
  }

  async #hasOthers(roomId: RoomId): Promise<boolean> {
    const { store, serverName } = this.#deps.context
    return store.read(async (tx) => {
      const room = await tx.rooms.byId(roomId)
      if (room === null) return false
      return [...(await tx.rooms.serversIn(room.nid)).keys()].some((server) => server !== serverName)
    })
  }

  /** Servers that may be in the room: those that the client names, then the inviter's, then what else is known. */
  async #candidates(userId: UserId, roomId: RoomId, via: readonly ServerName[]): Promise<ServerName[]> {
    const known = await this.#deps.context.store.read(async (tx) => {
      const room = await tx.rooms.byId(roomId)
      if (room === null) return []
      const outside = await outOfBandMembership(tx, userId, roomId)
      const inRoom = [...(await tx.rooms.serversIn(room.nid))].toSorted((a, b) => b[1] - a[1]).map(([server]) => server)
      return [...(outside?.servers ?? []), ...(room.partial?.servers ?? []), ...inRoom]
    })
    const domain = domainOf(roomId)
    return [...via, ...known, ...(domain === null ? [] : [domain])]
  }
}

type Outside = {
  readonly room: RoomRow
  readonly event: Event
  /** Whoever invited first, then the servers of those whom the stripped state names. */
  readonly servers: readonly ServerName[]
}

async function isJoined(tx: ReadTx, userId: UserId, roomId: RoomId): Promise<boolean> {
  const [user, room] = [await tx.users.nid(userId), await tx.rooms.byId(roomId)]
  if (user === null || room === null) return false
  return (await tx.memberships.one(user, room.nid))?.membership === 'join'
}

/** The user's invite or knock in a room by itself, not by the room's state as it is here; null for none. */
async function outOfBandMembership(tx: ReadTx, userId: UserId, roomId: RoomId): Promise<Outside | null> {
  const user = await tx.users.nid(userId)
  const room = await tx.rooms.byId(roomId)
  if (user === null || room === null) return null
  const row = await tx.memberships.one(user, room.nid)
  if (row?.membership !== 'invite' && row?.membership !== 'knock') return null
  const stripped = await tx.memberships.stripped(user, room.nid)
  const event = (await tx.events.byNids([row.eventNid])).get(row.eventNid)?.event
  if (stripped === null || event === undefined) return null
  const senders = [event.sender, ...stripped.map((entry) => member(entry, 'sender'))]
  const servers = senders.flatMap((sender) =>
    typeof sender === 'string' && isUserId(sender) ? [serverOf(sender)] : [],
  )
  return { room, event, servers: [...new Set(servers)] }
}
