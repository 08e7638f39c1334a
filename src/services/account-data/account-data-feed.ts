import type { UserId } from '#core/ids.ts'
import { clientPushRules, PUSH_RULES_TYPE } from '#services/push-rules/stored-push-rules.ts'
import type { ReadTx } from '#store/store.ts'
import type { AccountDataRow } from '#store/types/account-data.ts'
import type { UserNid } from '#store/types/users.ts'

type User = { readonly userNid: UserNid; readonly userId: UserId }

/** Account data that changed at `from < position ≤ to`, as clients see it, in order of position. */
export async function accountDataChanges(tx: ReadTx, user: User, from: number, to: number): Promise<AccountDataRow[]> {
  return (await tx.accountData.changesFor(user.userNid, from, to)).map((row) => asClientsSeeIt(row, user.userId))
}

/** All account data of a user as clients see it, in order of position. Push rules are always among it, at first. */
export async function allAccountData(tx: ReadTx, user: User): Promise<AccountDataRow[]> {
  const rows = (await tx.accountData.all(user.userNid)).map((row) => asClientsSeeIt(row, user.userId))
  if (rows.some(isPushRules)) return rows
  return [{ roomId: null, type: PUSH_RULES_TYPE, content: clientPushRules(user.userId, null), position: 0 }, ...rows]
}

function asClientsSeeIt(row: AccountDataRow, userId: UserId): AccountDataRow {
  return isPushRules(row) ? { ...row, content: clientPushRules(userId, row.content) } : row
}

function isPushRules({ roomId, type }: AccountDataRow): boolean {
  return roomId === null && type === PUSH_RULES_TYPE
}
