/**
 * Schemas that endpoints share. All lengths count bytes of UTF-8. Room and event ids are checked for sigil and
 * length only: one that no server could have made is unknown, like one that none has made.
 */
import { type TSchema, Type } from 'typebox'
import {
  type DeviceId,
  type EventId,
  fitsIdLimit,
  ID_BYTES_MAX,
  isRoomAlias,
  isUserId,
  type RoomAlias,
  type RoomId,
  type ServerName,
  type UserId,
} from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '#core/json/value.ts'
import { isServerName } from '#core/server-name.ts'

function identifier<T extends string>(what: string, isValid: (text: string) => boolean) {
  const schema = Type.Unsafe<T>({ type: 'string' })
  return Type.Refine(
    schema,
    (text: T) => typeof text === 'string' && fits(text) && isValid(text),
    () => `must be ${what}`,
  )
}

function fits(text: string): boolean {
  return fitsIdLimit(text) && text.isWellFormed() && !text.includes('\0')
}

export const tUserId = identifier<UserId>('a user id', isUserId)
/** Since room version 12 a room id has no domain. */
export const tRoomId = identifier<RoomId>('a room id', (text) => text.startsWith('!') && text.length > 1)
export const tRoomAlias = identifier<RoomAlias>('a room alias', isRoomAlias)
export const tRoomIdOrAlias = identifier<RoomId | RoomAlias>(
  'a room id or alias',
  (text) => (text.startsWith('!') && text.length > 1) || isRoomAlias(text),
)
export const tEventId = identifier<EventId>('an event id', (text) => text.startsWith('$') && text.length > 1)
export const tServerName = identifier<ServerName>('a server name', isServerName)
/** Device ids have no grammar. */
export const tDeviceId = identifier<DeviceId>('a device id', (text) => text !== '')

/** Text of at most `bytesMax` bytes of UTF-8, without NUL or lone surrogates. May be empty. */
export function tText(bytesMax: number = ID_BYTES_MAX) {
  return Type.Refine(
    Type.String(),
    (text) =>
      typeof text === 'string' && Buffer.byteLength(text) <= bytesMax && text.isWellFormed() && !text.includes('\0'),
    () => `must be at most ${bytesMax} bytes of text`,
  )
}

/** A non-empty transaction id: opaque, so bounded text is all that is asked. */
export const tTransactionId = identifier<string>('a transaction id', (text) => text !== '')
export const tEventType = identifier<string>('an event type', (text) => text !== '')
/** Text of an event to be sent: how long it may be is for the event's own rules to judge (413 `M_TOO_LARGE`). */
const tEventText = (minLength: number) =>
  Type.Refine(
    Type.String({ minLength }),
    (text) => typeof text === 'string' && text.isWellFormed() && !text.includes('\0'),
    () => 'must be text without U+0000',
  )
export const tNewEventType = tEventText(1)
/** '' is a state key too. */
export const tStateKey = tEventText(0)

/** `[0-9a-zA-Z.=_-]{1,255}` (appendices, "Opaque Identifiers"). */
export const tOpaqueId = Type.String({ pattern: '^[0-9a-zA-Z.=_-]{1,255}$' })

export const tDirection = Type.Union([Type.Literal('b'), Type.Literal('f')])
/** Milliseconds, or a count: an integer from 0 to 2^53−1. */
export const tCount = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

/** Any JSON object, kept as it came. */
export const tJsonObject = Type.Refine(
  Type.Unsafe<JsonObject>({ type: 'object' }),
  (value: JsonObject) => isJsonObject(value),
  () => 'must be an object',
)
/** Any JSON at all, kept as it came. */
export const tJson = Type.Unsafe<JsonValue>({} satisfies TSchema)
