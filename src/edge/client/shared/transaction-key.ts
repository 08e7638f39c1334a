import type { Caller } from '#kit/caller.ts'

/** "The scope of a transaction ID is for a single device"; tokens without a device are one each. */
export function transactionKey({ userNid, deviceId, accessTokenHash }: Caller, txnId: string) {
  return { userNid, deviceId: deviceId ?? accessTokenHash, txnId }
}
