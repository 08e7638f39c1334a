/** `m.direct_to_device` from other servers ("Send-to-device messaging"). */
import { isUserId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { canonicalByteLength } from '#core/json/canonical.ts'
import { isWithinDepth } from '#core/json/depth.ts'
import { CLIENT_DEPTH_MAX } from '#core/json/parse.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { putMessages } from '#services/e2ee/to-device.ts'
import { MESSAGE_ID_BYTES_MAX, TO_DEVICE_BYTES_MAX, TO_DEVICE_TYPE_BYTES_MAX } from '#services/e2ee/to-device-limits.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { Store } from '#store/store.ts'

type Read = {
  readonly sender: UserId
  readonly type: string
  readonly messageId: string
  readonly contents: ReadonlyMap<UserId, ReadonlyMap<string, JsonObject>>
}

/**
 * Puts the messages of EDUs into the queues of local devices, in order, once for each message id, all or none. What isn't
 * well-formed is ignored, and so is what a user of another server than the origin is said to have sent (S20).
 */
export async function receiveToDevice(
  { store, serverName }: { readonly store: Store; readonly serverName: ServerName },
  origin: ServerName,
  contents: readonly JsonObject[],
): Promise<void> {
  const timeSlice = new TimeSlice()
  const edus: Read[] = []
  for (const content of contents) {
    const edu = await readEdu(content, origin, serverName, timeSlice)
    if (edu !== null) edus.push(edu)
  }
  if (edus.length === 0) return
  await store.write(async (tx) => {
    for (const edu of edus) {
      if (!(await tx.toDevice.addMessageId(origin, edu.messageId))) continue
      for (const [userId, messages] of edu.contents) await putMessages(tx, userId, edu, messages)
    }
  })
}

async function readEdu(
  content: JsonObject,
  origin: ServerName,
  serverName: ServerName,
  timeSlice: TimeSlice,
): Promise<Read | null> {
  const sender = member(content, 'sender')
  const type = member(content, 'type')
  const messageId = member(content, 'message_id')
  const messages = member(content, 'messages')
  if (!isText(sender) || !isUserId(sender) || serverOf(sender) !== origin) return null
  if (!isText(type) || type === '' || Buffer.byteLength(type) > TO_DEVICE_TYPE_BYTES_MAX) return null
  if (!isText(messageId) || messageId === '' || Buffer.byteLength(messageId) > MESSAGE_ID_BYTES_MAX) return null
  if (!isJsonObject(messages)) return null
  const contents = new Map<UserId, ReadonlyMap<string, JsonObject>>()
  for (const [userId, devices] of Object.entries(messages)) {
    if (!isText(userId) || !isUserId(userId) || serverOf(userId) !== serverName || !isJsonObject(devices)) continue
    const byDevice = new Map<string, JsonObject>()
    // Not by `Object.entries`: there may be a hundred thousand.
    for (const deviceId of Object.keys(devices)) {
      await timeSlice.yieldIfDue()
      const message = member(devices, deviceId)
      if (isMessage(message)) byDevice.set(deviceId, message)
    }
    contents.set(userId, byDevice)
  }
  return contents.size === 0 ? null : { sender, type, messageId, contents }
}

function isMessage(content: JsonValue | undefined): content is JsonObject {
  return (
    isJsonObject(content) &&
    isWithinDepth(content, CLIENT_DEPTH_MAX) &&
    canonicalByteLength(content) <= TO_DEVICE_BYTES_MAX
  )
}

/** Text that the database can hold. */
function isText(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && value.isWellFormed() && !value.includes('\0')
}
