import type { DeviceId, UserId } from '#core/ids.ts'

/** Who makes a request, as the access token says. */
export type Caller = {
  readonly userId: UserId
  /** null for tokens that belong to no device, such as an application service's own. */
  readonly deviceId: DeviceId | null
  readonly isGuest: boolean
  readonly isAdmin: boolean
  /** Names the token (for logout, or transaction ids per token) without being it. */
  readonly accessTokenHash: string
}

/** Where a request came from; kept as "last seen" of the device. */
export type Origin = { readonly ip: string; readonly userAgent: string | null }

/** Finds the caller of an access token. Throws `M_UNKNOWN_TOKEN` (or `M_USER_LOCKED` …) where it is good for nothing. */
export type Authenticate = (accessToken: string, origin: Origin) => Promise<Caller>
