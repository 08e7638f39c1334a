import type { News } from '#test/e2ee/harness/news.ts'
import type { Api } from '#test/system/harness/api.ts'

/** What became of an encrypted event on a device. */
export type Reading = { readonly text: string } | { readonly unreadable: string }

/** A device of a user with cryptography of its own. What isn't about encryption is done by `api`, as the same device. */
export interface EncryptedDevice extends AsyncDisposable {
  readonly kind: 'js-sdk' | 'nio'
  readonly api: Api
  readonly userId: string
  readonly deviceId: string
  /** Told whenever the device learned something. */
  readonly news: News

  /** Encrypts and sends, when the device knows that the room is encrypted. @returns the event's id */
  send(roomId: string, text: string): Promise<string>
  /** What the device made of an event; null while it hasn't seen it. */
  reading(eventId: string): Reading | null
  isInvited(roomId: string): boolean
  /** Who has joined or, where keys are for them too, is invited, as the device knows; null for a room it doesn't know. */
  membersOf(roomId: string): ReadonlySet<string> | null
  /** The devices that it would share keys with, of each user whom it keeps track of. */
  devicesOf(userIds: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<string>>>
  /** It hears and says nothing until `resume`, as a phone in a tunnel. */
  pause(): void
  resume(): void
}

/** Resolves with the text when the device has decrypted the event. @throws Error with what it made of it instead */
export async function reads(device: EncryptedDevice, eventId: string, timeoutMs?: number): Promise<string> {
  const look = () => {
    const reading = device.reading(eventId)
    return reading !== null && 'text' in reading ? reading : null
  }
  const describe = () => `: ${JSON.stringify(device.reading(eventId))}`
  const what = `${nameOf(device)} to read ${eventId}`
  return (await device.news.until(what, look, { describe, ...(timeoutMs === undefined ? {} : { timeoutMs }) })).text
}

export function knowsMember(device: EncryptedDevice, roomId: string, userId: string): Promise<unknown> {
  return device.news.until(`${nameOf(device)} to see ${userId} in ${roomId}`, () => {
    return device.membersOf(roomId)?.has(userId)
  })
}

export function knowsDevice(device: EncryptedDevice, other: EncryptedDevice): Promise<unknown> {
  return device.news.until(`${nameOf(device)} to know of ${nameOf(other)}`, async () => {
    return (await device.devicesOf([other.userId])).get(other.userId)?.has(other.deviceId)
  })
}

/** Resolves when the device knows exactly these devices of the user. */
export async function knowsDevices(
  device: EncryptedDevice,
  userId: string,
  expected: readonly string[],
  timeoutMs?: number,
): Promise<void> {
  let known: readonly string[] = []
  const wanted = JSON.stringify([...expected].sort())
  await device.news.until(
    `${nameOf(device)} to know the devices ${wanted} of ${userId}`,
    async () => {
      known = [...((await device.devicesOf([userId])).get(userId) ?? [])].sort()
      return JSON.stringify(known) === wanted
    },
    { describe: () => `: it knows ${JSON.stringify(known)}`, ...(timeoutMs === undefined ? {} : { timeoutMs }) },
  )
}

export function nameOf({ kind, userId, deviceId }: EncryptedDevice): string {
  return `${userId} ${deviceId} (${kind})`
}
