/** Backed-up keys between their form in requests and answers and that of the service. */
import { type Static, Type } from 'typebox'
import type { RoomId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { invalidParam } from '#core/matrix-error.ts'
import { tCount, tJsonObject, tText } from '#kit/schemas.ts'
import type { BackedUpKey } from '#services/e2ee/key-backup.ts'

/** Only this algorithm is specified; others are kept as they come. */
export const tBackupAlgorithm = tText()
export const tSessionId = Type.Refine(
  tText(),
  (text) => text !== '',
  () => 'must be a session id',
)
/** Of the query: which backup is meant. */
export const versionQuery = { version: tText() }

export const tKeyBackupData = Type.Object({
  first_message_index: tCount,
  forwarded_count: tCount,
  is_verified: Type.Boolean(),
  session_data: tJsonObject,
})
export const tRoomKeyBackup = Type.Object({ sessions: Type.Record(Type.String(), tKeyBackupData) })
export const tAllKeyBackups = Type.Object({ rooms: Type.Record(Type.String(), tRoomKeyBackup) })

export function backedUpKey(roomId: RoomId, sessionId: string, data: Static<typeof tKeyBackupData>): BackedUpKey {
  return {
    roomId,
    sessionId,
    isVerified: data.is_verified,
    firstMessageIndex: data.first_message_index,
    forwardedCount: data.forwarded_count,
    sessionData: data.session_data,
  }
}

/** @throws MatrixError M_INVALID_PARAM */
export function keysOfRoom(roomId: string, { sessions }: Static<typeof tRoomKeyBackup>): BackedUpKey[] {
  if (!isName(roomId) || !roomId.startsWith('!')) throw invalidParam('A key of `rooms` is no room id')
  return Object.entries(sessions).map(([sessionId, data]) => {
    if (sessionId === '' || !isName(sessionId)) throw invalidParam('A key of `sessions` is no session id')
    return backedUpKey(roomId as RoomId, sessionId, data)
  })
}

function isName(text: string): boolean {
  return Buffer.byteLength(text) <= 255 && text.isWellFormed() && !text.includes('\0')
}

/** Definition KeyBackupData. */
export function keyBackupData(key: BackedUpKey): JsonObject {
  return {
    first_message_index: key.firstMessageIndex,
    forwarded_count: key.forwardedCount,
    is_verified: key.isVerified,
    session_data: key.sessionData,
  }
}

/** The text of `{rooms: {[roomId]: {sessions: {[sessionId]: KeyBackupData}}}}`, from pages in the order of rooms. */
export async function* roomsText(pages: AsyncIterable<readonly BackedUpKey[]>): AsyncGenerator<string> {
  let room: RoomId | null = null
  yield '{"rooms":{'
  for await (const page of pages) {
    const parts: string[] = []
    for (const key of page) {
      if (key.roomId === room) parts.push(',')
      else parts.push(room === null ? '' : '}},', `${JSON.stringify(key.roomId)}:{"sessions":{`)
      room = key.roomId
      parts.push(memberText(key))
    }
    yield parts.join('')
  }
  yield room === null ? '}}' : '}}}}'
}

/** The text of `{sessions: {[sessionId]: KeyBackupData}}`. */
export async function* roomText(pages: AsyncIterable<readonly BackedUpKey[]>): AsyncGenerator<string> {
  let comma = ''
  yield '{"sessions":{'
  for await (const page of pages) {
    if (page.length > 0) yield comma + page.map(memberText).join(',')
    comma = ','
  }
  yield '}}'
}

function memberText(key: BackedUpKey): string {
  return `${JSON.stringify(key.sessionId)}:${JSON.stringify(keyBackupData(key))}`
}
