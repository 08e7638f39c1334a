import type { DeviceId, UserId } from '#core/ids.ts'
import type { UserNid } from '#store/types/users.ts'

/** Who makes a request, as the access token says. */
export type Caller = {
  readonly userId: UserId
  /** The user's number inside this server. */
  readonly userNid: UserNid
  /** null for tokens that belong to no device, such as an application service's own. */
  readonly deviceId: DeviceId | null
  readonly isGuest: boolean
  readonly isAdmin: boolean
  /** Names the token (for logout, or transaction ids per token) without being it. */
  readonly accessTokenHash: string
}
