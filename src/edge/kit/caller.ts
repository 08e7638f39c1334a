import type { Caller } from '#services/accounts/caller.ts'
import type { AuthenticatedRequest, IncomingRequest } from '#services/federation/keys/request-authenticator.ts'

export type { Caller }

/** Where a request came from; kept as "last seen" of the device. */
export type Origin = { readonly ip: string; readonly userAgent: string | null }

/** Finds the caller of an access token. Throws `M_UNKNOWN_TOKEN` (or `M_USER_LOCKED` …) where it is good for nothing. */
export type Authenticate = (accessToken: string, origin: Origin) => Promise<Caller>

/** Finds the server that signed a request. Throws `M_UNAUTHORIZED`, `M_NOT_JSON`, `M_BAD_JSON`. */
export type AuthenticateServer = (request: IncomingRequest) => Promise<AuthenticatedRequest>
