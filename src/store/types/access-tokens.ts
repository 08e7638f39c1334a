import type { DeviceId, UserId } from '#core/ids.ts'
import type { UserNid } from '#store/types/users.ts'

/** An access token with, perhaps, its refresh token. Of both only the SHA-256 is known here, in base64. */
export type NewTokenPair = {
  readonly userNid: UserNid
  readonly deviceId: DeviceId
  readonly accessHash: string
  readonly refreshHash: string | null
  /** When the access token expires; null = never. */
  readonly expiresTs: number | null
  readonly createdTs: number
  /** The pair that was refreshed to get this one. */
  readonly parentNid: number | null
}

/** Whom an access token speaks for. */
export type TokenOwner = {
  readonly tokenNid: number
  readonly userNid: UserNid
  readonly userId: UserId
  readonly deviceId: DeviceId
  readonly guest: boolean
  readonly admin: boolean
  readonly expiresTs: number | null
  /** False until the first use of a pair made by a refresh. */
  readonly used: boolean
}

export type RefreshRow = {
  readonly tokenNid: number
  readonly userNid: UserNid
  readonly deviceId: DeviceId
  readonly used: boolean
  /** A later pair has been used: this refresh token is void, and its use means that it was stolen. */
  readonly spent: boolean
}

export interface AccessTokenReader {
  /** Null for an unknown token and for one of a deactivated account. An expired token still has an owner. */
  owner(accessHash: string): Promise<TokenOwner | null>
  byRefreshHash(refreshHash: string): Promise<RefreshRow | null>
}

export interface AccessTokenStore extends AccessTokenReader {
  issue(pair: NewTokenPair): Promise<number>
  /** Marks the pair as used, and the one that it came from as spent. */
  markUsed(tokenNid: number): Promise<void>
  /** Deletes pairs made from this one that were never used: the client did not get the answer. */
  deleteUnusedChildren(tokenNid: number): Promise<void>
  /** Deletes a device's spent pairs but for the `keep` newest. */
  pruneSpent(user: UserNid, deviceId: DeviceId, keep: number): Promise<void>
  deleteOfDevice(user: UserNid, deviceId: DeviceId): Promise<void>
}
