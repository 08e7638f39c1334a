import type { DeviceId, ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { UserNid } from '#store/types/users.ts'

/** A message that waits for a device. */
export type ToDeviceMessage = {
  readonly position: number
  /** As its device gets it: `type`, `sender` and `content`. */
  readonly event: JsonObject
}

/** Stands for all devices of a user ("The device ID may also be `*`"). */
export const ALL_DEVICES = '*'

/** What a repeated `PUT /sendToDevice` is known by. */
export type ToDeviceTransaction = {
  readonly userNid: UserNid
  /** The sender's device, or what stands for it where a token has none. */
  readonly deviceId: string
  readonly eventType: string
  readonly txnId: string
}

export interface ToDeviceReader {
  /** The oldest messages that wait for a device, in order, those up to a position, at most `limit`. */
  waiting(user: UserNid, deviceId: DeviceId, to: number, limit: number): Promise<ToDeviceMessage[]>
}

/** Messages between devices, as they wait for those of local users. They go when their device goes. */
export interface ToDeviceStore extends ToDeviceReader {
  /**
   * Queues one message for each device of the user that is named and exists; `ALL_DEVICES` gives those that aren't named
   * theirs. All take the position that is returned. Where the user's total is reached, devices for which much waits
   * already get nothing: `full` where that leaves none.
   */
  put(user: UserNid, messages: Pick<ReadonlyMap<string, JsonObject>, 'get'>): Promise<number | 'full' | 'no device'>
  /** Deletes what waited for the device up to a position: it has arrived. */
  acknowledge(user: UserNid, deviceId: DeviceId, upTo: number): Promise<void>
  /** Remembers a local send. False where it was remembered already. */
  addTransaction(transaction: ToDeviceTransaction): Promise<boolean>
  /** Forgets local sends from before a time (ms since the epoch). */
  forgetTransactions(before: number): Promise<void>
  /** Remembers what another server sent. False where it was remembered already. */
  addMessageId(origin: ServerName, messageId: string): Promise<boolean>
  /** Forgets what other servers sent before a time (ms since the epoch). */
  forgetMessageIds(before: number): Promise<void>
}
