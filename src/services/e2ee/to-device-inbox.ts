import type { DeviceId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { StreamToken } from '#services/timeline/tokens.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'

/** "If there is a large queue of send-to-device messages … 100 messages is recommended as a reasonable limit." */
export const TO_DEVICE_MESSAGES_MAX = 100

export type Inbox = {
  readonly events: readonly JsonObject[]
  /** The last message's position, where more wait than are given; null where these are all. */
  readonly end: number | null
}

type Device = { readonly userNid: UserNid; readonly deviceId: DeviceId | null }

/** The oldest messages that wait for a device, up to a position. */
export async function readInbox(tx: ReadTx, { userNid, deviceId }: Device, to: number): Promise<Inbox> {
  if (deviceId === null) return { events: [], end: null }
  // One more than given tells whether more wait.
  const waiting = await tx.toDevice.waiting(userNid, deviceId, to, TO_DEVICE_MESSAGES_MAX + 1)
  const given = waiting.slice(0, TO_DEVICE_MESSAGES_MAX)
  const end = waiting.length > given.length ? (given.at(-1)?.position ?? null) : null
  return { events: given.map(({ event }) => event), end }
}

/**
 * "When the client calls /sync again with the next_batch token …, the server should infer that any send-to-device
 * messages in that response have been delivered successfully, and delete them."
 */
export async function acknowledgeInbox(
  store: Store,
  { userNid, deviceId }: Device,
  since: Pick<StreamToken, 'position' | 'toDevice'>,
): Promise<void> {
  // A token from before the database was restored from a backup says nothing about what is here.
  if (deviceId === null || since.position > store.position()) return
  const upTo = since.toDevice ?? since.position
  const arrived = await store.read((tx) => tx.toDevice.waiting(userNid, deviceId, upTo, 1))
  if (arrived.length > 0) await store.write((tx) => tx.toDevice.acknowledge(userNid, deviceId, upTo))
}
