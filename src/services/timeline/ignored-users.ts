import { ignoredUsers } from '#core/ignored-users.ts'
import type { ReadTx } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'

/** Whom the user ignores, as of the snapshot. */
export async function ignoredBy(tx: ReadTx, user: UserNid): Promise<ReadonlySet<string>> {
  return ignoredUsers(await tx.accountData.get(user, null, 'm.ignored_user_list'))
}
