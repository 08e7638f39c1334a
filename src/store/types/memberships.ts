import type { JsonObject } from '#core/json/value.ts'
import type { EventNid } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

export type Membership = 'join' | 'invite' | 'knock' | 'leave' | 'ban'

export type MembershipRow = {
  readonly userNid: UserNid
  readonly roomNid: RoomNid
  readonly membership: Membership
  readonly eventNid: EventNid
  /** When this membership (not merely its display name) began. */
  readonly since: number
  /** Position of the last change of the member event. */
  readonly position: number
  readonly forgotten: boolean
}

export type RoomCounts = { readonly joined: number; readonly invited: number }

/** A membership in a room that this server has no (current) copy of. */
export type OutOfBandMembership = {
  readonly user: UserNid
  readonly room: RoomNid
  readonly membership: Membership
  /** The member event, stored as an outlier. */
  readonly eventNid: EventNid
  /** What the user may know of the room, in the format for clients, their own member event last. */
  readonly stripped: readonly JsonObject[]
}

export interface MembershipReader {
  one(user: UserNid, room: RoomNid): Promise<MembershipRow | null>
  /** The user's rooms by membership; forgotten ones are left out. */
  ofUser(user: UserNid, memberships: readonly Membership[]): Promise<MembershipRow[]>
  /** Memberships of the user that changed with `from < position ≤ to`, forgotten ones too. */
  ofUserBetween(user: UserNid, from: number, to: number): Promise<MembershipRow[]>
  ofRoom(room: RoomNid, memberships: readonly Membership[]): Promise<MembershipRow[]>
  /** What the user's membership was at a position: the last change with position ≤ `position`. */
  at(user: UserNid, room: RoomNid, position: number): Promise<{ membership: Membership; eventNid: EventNid } | null>
  /** Every membership that the user ever had in the room, oldest first. */
  history(user: UserNid, room: RoomNid): Promise<{ membership: Membership; eventNid: EventNid; position: number }[]>
  counts(room: RoomNid): Promise<RoomCounts>
  /** The first joined or invited members (then left ones when there are none) besides `except`, in order of joining. */
  heroes(room: RoomNid, except: UserNid, limit: number): Promise<UserNid[]>
  /** Since when users of this server have been joined to the room, by the one who joined first; null where none is. */
  localSince(room: RoomNid): Promise<number | null>
  /** Users who are joined to a room that `user` is joined to. */
  sharingRoomsWith(user: UserNid): Promise<UserNid[]>
  /**
   * What came with the membership that `setOutOfBand` set; null where the membership is by the state of the room's copy
   * here. A room's copy takes over at the first append that changes the user's member event.
   */
  stripped(user: UserNid, room: RoomNid): Promise<JsonObject[] | null>
}

export interface MembershipStore extends MembershipReader {
  /**
   * Sets the membership of a user in a room that this server isn't in, under a new stream position (log kind
   * `membership`), which it returns.
   */
  setOutOfBand(membership: OutOfBandMembership): Promise<number>
  setForgotten(user: UserNid, room: RoomNid): Promise<void>
}
