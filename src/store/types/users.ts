import type { UserId } from '#core/ids.ts'

declare const nid: unique symbol
/** The short number of a user, local or remote, inside this database. */
export type UserNid = number & { readonly [nid]: 'UserNid' }

export interface UserReader {
  nid(userId: UserId): Promise<UserNid | null>
  userId(nid: UserNid): Promise<UserId>
  userIds(nids: readonly UserNid[]): Promise<Map<UserNid, UserId>>
}

export interface UserStore extends UserReader {
  /** The user's number, given on first sight. */
  intern(userId: UserId): Promise<UserNid>
}
