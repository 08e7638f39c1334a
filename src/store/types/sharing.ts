import type { ServerName } from '#core/ids.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

/** Who shares rooms with whom: which users are joined to a room together. */
export interface SharingReader {
  /** Those of the candidates who share a room with the user now. */
  withUser(user: UserNid, candidates: readonly UserNid[]): Promise<UserNid[]>
  /** Those of the candidates who share a room with the user that neither has been out of since a position. */
  withUserSince(user: UserNid, candidates: readonly UserNid[], position: number): Promise<UserNid[]>
  /**
   * Those of the candidates who share an encrypted room with the user now, but none that was encrypted at a position and
   * that neither has been out of since.
   */
  newlyEncryptedWithUser(user: UserNid, candidates: readonly UserNid[], position: number): Promise<UserNid[]>
  /**
   * The encrypted rooms that the user is joined to and whose `m.room.encryption` came after a position. `to` is where the
   * log ends: it is looked through, or, where that is null, all of the user's rooms are.
   */
  encryptedSince(user: UserNid, after: number, to: number | null): Promise<RoomNid[]>
  /** Those of the candidates who share a room with any user of this server. */
  withAnyone(candidates: readonly UserNid[]): Promise<UserNid[]>
  /** Members, past and present, of the rooms that the user is joined to, whose membership began after a position. */
  newMemberships(user: UserNid, after: number): Promise<{ roomNid: RoomNid; userNid: UserNid }[]>
  /** Which changes of memberships of rooms the log holds with `from < position ≤ to`, each user and room once. */
  loggedMemberships(from: number, to: number): Promise<{ roomNid: RoomNid; userNid: UserNid }[]>
  /** Who was joined to the room after what happened at a position: of the candidates, or of all. */
  joinedAt(room: RoomNid, position: number, candidates?: readonly UserNid[]): Promise<UserNid[]>
  /** The servers with a user who shares a room with this one now; this server too. */
  serversWithUser(user: UserNid): Promise<ServerName[]>
  /** The servers that came into the room at a position: their first user joined. */
  arrivals(room: RoomNid, position: number): Promise<ServerName[]>
  /** The users of this server who are joined to the room now. */
  localMembers(room: RoomNid): Promise<UserNid[]>
}
