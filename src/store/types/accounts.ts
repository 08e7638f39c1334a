import type { UserId } from '#core/ids.ts'
import type { UserNid } from '#store/types/users.ts'

export type AccountRow = {
  readonly userNid: UserNid
  readonly userId: UserId
  readonly guest: boolean
  /** A server administrator. A flag of the account, never a matter of membership in some room. */
  readonly admin: boolean
  /** PHC string; null when no password can open the account. */
  readonly passwordHash: string | null
  readonly createdTs: number
  readonly deactivatedTs: number | null
  /** The user asked that their content be erased as far as possible. */
  readonly erased: boolean
}

export type NewAccount = Pick<AccountRow, 'userNid' | 'guest' | 'admin' | 'passwordHash' | 'createdTs'>

export interface AccountReader {
  get(user: UserNid): Promise<AccountRow | null>
  /** Whether there is any account, active or not. */
  any(): Promise<boolean>
  /** Whether an active account with administrator rights exists. */
  anyAdmin(): Promise<boolean>
  /** Deactivated accounts whose departure from their rooms isn't finished, at most `limit`. */
  departing(limit: number): Promise<UserId[]>
}

/** Accounts on this server. A deactivated account stays, so that its name is never given again. */
export interface AccountStore extends AccountReader {
  /** False, with nothing written, when the user has an account already, active or not. */
  create(account: NewAccount): Promise<boolean>
  /** Makes a guest's account an ordinary one. False, with nothing written, when it isn't a guest's. */
  upgradeGuest(user: UserNid, passwordHash: string): Promise<boolean>
  setPasswordHash(user: UserNid, passwordHash: string): Promise<void>
  /** Marks as deactivated, and forgets the password and the administrator's rights. */
  deactivate(user: UserNid, ts: number, erase: boolean): Promise<void>
  /** A deactivated account has left all its rooms. */
  setDeparted(user: UserNid): Promise<void>
}
