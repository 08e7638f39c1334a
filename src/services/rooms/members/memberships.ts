import type { Event } from '#core/event/event.ts'
import type { RoomId, UserId } from '#core/ids.ts'
import { type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { forbidden, MatrixError } from '#core/matrix-error.ts'
import { checkGuestMayJoin, turnOutGuests } from '#services/rooms/members/guest-access.ts'
import { checkInvitee } from '#services/rooms/members/invitations.ts'
import { membershipOf, profileContent, reasonContent } from '#services/rooms/members/member-content.ts'
import { restrictedJoinContent } from '#services/rooms/members/restricted-joins.ts'
import { transferSettings } from '#services/rooms/members/settings-transfer.ts'
import { sendThirdPartyInvite } from '#services/rooms/members/third-party-signed.ts'
import type { RoomDraft } from '#services/rooms/queue/room-draft.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import type { Membership } from '#store/types/memberships.ts'
import type { UserNid } from '#store/types/users.ts'

/** A change of a member event that a local user asks for. */
export type MembershipChange = {
  readonly roomId: RoomId
  readonly sender: { readonly userId: UserId; readonly isGuest: boolean }
  readonly target: UserId
  /** The member event's content, `membership` included. Profile fields are added where they are absent. */
  readonly content: JsonObject
  /** Proof of a third-party identifier that was invited (`third_party_signed` of a join). */
  readonly thirdPartySigned?: JsonObject | undefined
  /** What to do with the member event that stands there; the default keeps one with the wanted membership. */
  readonly decide?: (current: Event | null) => Decision
}

type Decision = 'keep' | 'send'

type Who = { readonly userId: UserId; readonly isGuest: boolean }

/** Rooms that are left at the same time when an account ends. */
const LEAVING_ROOMS_MAX = 10

/** Who is in which room: joining, inviting, knocking, leaving and the rest ("Room membership"). */
export class RoomMemberships {
  readonly #context: RoomContext

  constructor(context: RoomContext) {
    this.#context = context
  }

  /** Joins the user, with `given` in their member event; nothing happens to one who is in the room. */
  async join(user: Who, roomId: RoomId, given: JsonObject = {}, thirdPartySigned?: JsonObject): Promise<void> {
    this.#context.limiter.take('joinPerRoom', roomId)
    const content = { ...given, membership: 'join' }
    await this.change({ roomId, sender: user, target: user.userId, content, thirdPartySigned })
  }

  /** Invites somebody; nothing happens to one who is invited. @throws M_FORBIDDEN, M_INVITE_BLOCKED */
  async invite(user: Who, roomId: RoomId, target: UserId, reason?: string): Promise<void> {
    this.#context.limiter.take('invitePerRoom', roomId)
    this.#context.limiter.take('invitePerTarget', target)
    this.#context.limiter.take('invitePerIssuer', user.userId)
    await this.change({ roomId, sender: user, target, content: { membership: 'invite', ...reasonContent(reason) } })
  }

  /** Asks to be let in. @throws M_FORBIDDEN where the room doesn't take that, or not from this user */
  async knock(user: Who, roomId: RoomId, reason?: string): Promise<void> {
    const content = { membership: 'knock', ...reasonContent(reason) }
    await this.change({ roomId, sender: user, target: user.userId, content })
  }

  /** Leaves the room, rejects the invite or takes back the knock; nothing happens to one who has left. */
  async leave(user: Who, roomId: RoomId, reason?: string): Promise<void> {
    const content = { membership: 'leave', ...reasonContent(reason) }
    await this.change({ roomId, sender: user, target: user.userId, content })
  }

  /** @throws M_FORBIDDEN also when the target is not in the room */
  async kick(user: Who, roomId: RoomId, target: UserId, reason?: string): Promise<void> {
    const decide = (current: Event | null): Decision => {
      const membership = membershipOf(current)
      if (membership === 'join' || membership === 'invite' || membership === 'knock') return 'send'
      throw forbidden(`${target} is not in the room`)
    }
    const content = { membership: 'leave', ...reasonContent(reason) }
    await this.change({ roomId, sender: user, target, content, decide })
  }

  /** Bans somebody, who needn't be in the room; nothing happens to one who is banned. */
  async ban(user: Who, roomId: RoomId, target: UserId, reason?: string): Promise<void> {
    await this.change({ roomId, sender: user, target, content: { membership: 'ban', ...reasonContent(reason) } })
  }

  /** @throws M_BAD_STATE when the target is not banned, M_FORBIDDEN */
  async unban(user: Who, roomId: RoomId, target: UserId, reason?: string): Promise<void> {
    const decide = (current: Event | null): Decision => {
      if (membershipOf(current) === 'ban') return 'send'
      throw new MatrixError('M_BAD_STATE', `${target} is not banned`, { status: 403 })
    }
    const content = { membership: 'leave', ...reasonContent(reason) }
    await this.change({ roomId, sender: user, target, content, decide })
  }

  /** Takes this server's guests out of a room that lets none in. */
  async turnOutGuests(roomId: RoomId): Promise<void> {
    await this.#context.queues.run(roomId, { run: (draft) => turnOutGuests(this.#context, draft) })
  }

  /** Forgets a room that the user has left. @throws M_UNKNOWN when they haven't */
  async forget(user: UserNid, roomId: RoomId): Promise<void> {
    await this.#context.store.write(async (tx) => {
      const room = await tx.rooms.byId(roomId)
      const row = room === null ? null : await tx.memberships.one(user, room.nid)
      if (row?.membership !== 'leave' && row?.membership !== 'ban') {
        throw new MatrixError('M_UNKNOWN', `You have not left ${roomId}`, { status: 400 })
      }
      await tx.memberships.setForgotten(user, row.roomNid)
    })
  }

  /** The rooms that the user is joined to. */
  joinedRooms(user: UserNid): Promise<RoomId[]> {
    return this.#roomsOf(user, ['join'])
  }

  /** Ends the part of a deactivated account in all rooms: leaves them, rejects invites, takes back knocks. */
  async leaveAll(userId: UserId, user: UserNid): Promise<void> {
    const rooms = await this.#roomsOf(user, ['join', 'invite', 'knock'])
    for (let at = 0; at < rooms.length; at += LEAVING_ROOMS_MAX) {
      const some = rooms.slice(at, at + LEAVING_ROOMS_MAX)
      await Promise.all(some.map((roomId) => this.leave({ userId, isGuest: false }, roomId)))
    }
  }

  /** Changes a member event; returns the one that stands then. */
  async change(change: MembershipChange): Promise<Event> {
    const { roomId, target } = change
    const content = await this.#completed(change)
    const wanted = member(content, 'membership')
    const { event, hasJoined } = await this.#context.queues.run(roomId, {
      run: async (draft) => {
        const current = await draft.state('m.room.member', target)
        const membership = membershipOf(current)
        const decision = change.decide?.(current) ?? (membership === wanted ? 'keep' : 'send')
        if (current !== null && decision === 'keep') {
          await this.#checkAllowed(draft, change, content, membership)
          return { event: current, hasJoined: false }
        }
        const sent = await this.#send(draft, change, content, membership)
        return { event: sent, hasJoined: wanted === 'join' && membership !== 'join' }
      },
    })
    if (hasJoined) await transferSettings(this.#context, target, roomId)
    return event
  }

  /** What one may not do to another is refused also where it is done already: the answer would tell that it is. */
  async #checkAllowed(
    draft: RoomDraft,
    change: MembershipChange,
    content: JsonObject,
    current: Membership | null,
  ): Promise<void> {
    const wanted = member(content, 'membership')
    // Whoever joins, leaves or knocks again may do so without an event; nobody invites or bans themselves.
    const isOwn = change.sender.userId === change.target
    if (isOwn && wanted !== 'invite' && wanted !== 'ban') return
    const mark = draft.mark()
    await this.#send(draft, change, content, current)
    draft.rollback(mark)
  }

  async #send(
    draft: RoomDraft,
    { sender, target, thirdPartySigned }: MembershipChange,
    content: JsonObject,
    current: Membership | null,
  ): Promise<Event> {
    const event = { type: 'm.room.member', stateKey: target, sender: sender.userId }
    if (member(content, 'membership') !== 'join' || current === 'join') return draft.send({ ...event, content })
    if (sender.isGuest) await checkGuestMayJoin(draft)
    if (current === 'invite') return draft.send({ ...event, content })
    if (thirdPartySigned !== undefined) {
      await sendThirdPartyInvite(draft, target, thirdPartySigned)
      return draft.send({ ...event, content })
    }
    // Only for those whom the rules let decide for themselves: not for a banned user.
    const via = current === 'ban' ? {} : await restrictedJoinContent(this.#context, draft, target)
    return draft.send({ ...event, content: { ...content, ...via } })
  }

  /** Checks whom the change is about, and adds what member events of local users show. */
  #completed({ target, sender, content }: MembershipChange): Promise<JsonObject> {
    const { store, serverName } = this.#context
    // Who vouches for a restricted join is for the server to say.
    const { join_authorised_via_users_server: _via, ...given } = content
    const membership: JsonValue | undefined = member(given, 'membership')
    return store.read(async (tx) => {
      if (membership === 'invite') await checkInvitee(tx, target, serverName)
      else if (!((membership === 'join' || membership === 'knock') && target === sender.userId)) return given
      return { ...(await profileContent(tx, target, serverName)), ...given }
    })
  }

  #roomsOf(user: UserNid, memberships: readonly Membership[]): Promise<RoomId[]> {
    return this.#context.store.read(async (tx) => {
      const rows = await tx.memberships.ofUser(user, memberships)
      return [...(await tx.rooms.roomIds(rows.map((row) => row.roomNid))).values()]
    })
  }
}
