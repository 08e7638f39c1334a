import type { UserId } from '#core/ids.ts'
import { forbidden } from '#core/matrix-error.ts'
import type { Caller } from '#services/accounts/caller.ts'

/** For paths that name a user whose own business they are. @throws MatrixError M_FORBIDDEN */
export function assertOwn(caller: Caller, userId: UserId): void {
  if (caller.userId !== userId) throw forbidden('The access token is not that of this user')
}
