import { isServerName, type ServerName } from '#core/server-name.ts'

export type { ServerName } from '#core/server-name.ts'

/** Matrix identifiers (specification appendices, "Identifier Grammar"). Branded, so that one can't pass for another. */
declare const brand: unique symbol
type Brand<Name extends string> = string & { readonly [brand]: Name }

export type UserId = Brand<'UserId'>
export type RoomId = Brand<'RoomId'>
export type EventId = Brand<'EventId'>
export type RoomAlias = Brand<'RoomAlias'>
export type DeviceId = Brand<'DeviceId'>

/** The longest identifier that an event may carry, in bytes of UTF-8. */
export const ID_BYTES_MAX = 255
/** How a room version writes event ids. */
export type EventIdFormat = 'chosen' | 'base64' | 'base64url'

/**
 * A user id as it may stand in events, "historical" ones included: any code points but `:` and NUL in the localpart,
 * which may be empty.
 */
export function isUserId(text: string): text is UserId {
  return isIdWithDomain(text, '@')
}

/** A user id that may be shown outside of events: its localpart isn't empty and holds only U+0021 to U+007E. */
export function isCompliantUserId(text: string): text is UserId {
  return isUserId(text) && /^[\x21-\x7e]+$/.test(localpartOf(text))
}

/** A localpart that a new user may take. */
export function isNewLocalpart(localpart: string): boolean {
  return /^[a-z0-9._=/+-]+$/.test(localpart)
}

/** A room id of any version: `!opaque:domain`, or from version 12 on `!` and the create event's hash. */
export function isRoomId(text: string): text is RoomId {
  return isDomainRoomId(text) || isHashRoomId(text)
}

/** A room id of versions 1 to 11. */
export function isDomainRoomId(text: string): text is RoomId {
  return isIdWithDomain(text, '!')
}

/** A room id of version 12. */
export function isHashRoomId(text: string): text is RoomId {
  return /^![A-Za-z0-9_-]{43}$/.test(text)
}

/** The id of a room of version 12, which is that of its create event with another sigil. */
export function roomIdOfCreate(createEventId: EventId): RoomId {
  return `!${createEventId.slice(1)}` as RoomId
}

/** The id of the create event of a room of version 12. */
export function createEventIdOf(roomId: RoomId): EventId {
  return `$${roomId.slice(1)}` as EventId
}

/** An event id of any room version. */
export function isEventId(text: string): text is EventId {
  return isEventIdOf(text, 'base64') || isEventIdOf(text, 'base64url') || isEventIdOf(text, 'chosen')
}

/** An event id as one room version has them. */
export function isEventIdOf(text: string, format: EventIdFormat): text is EventId {
  switch (format) {
    case 'chosen':
      return isIdWithDomain(text, '$')
    case 'base64':
      return /^\$[A-Za-z0-9+/]{43}$/.test(text)
    case 'base64url':
      return /^\$[A-Za-z0-9_-]{43}$/.test(text)
  }
}

export function isRoomAlias(text: string): text is RoomAlias {
  return isIdWithDomain(text, '#')
}

/** What follows the first colon of a user id or alias: neither localpart can hold one, but a server name can. */
export function serverOf(id: UserId | RoomAlias): ServerName {
  return id.slice(id.indexOf(':') + 1) as ServerName
}

/** What stands between the sigil and the first colon. */
export function localpartOf(id: UserId | RoomAlias): string {
  return id.slice(1, id.indexOf(':'))
}

/** The server that an event or room id names; null for one that is a hash. */
export function domainOf(id: EventId | RoomId): ServerName | null {
  const colon = id.indexOf(':')
  return colon === -1 ? null : (id.slice(colon + 1) as ServerName)
}

/** Whether a text fits the limit for identifiers, types and state keys: 255 bytes of UTF-8. */
export function fitsIdLimit(text: string): boolean {
  // A UTF-16 unit takes one to three bytes.
  if (text.length * 3 <= ID_BYTES_MAX) return true
  return text.length <= ID_BYTES_MAX && Buffer.byteLength(text) <= ID_BYTES_MAX
}

function isIdWithDomain(text: string, sigil: string): boolean {
  const colon = text.indexOf(':')
  if (!text.startsWith(sigil) || colon === -1 || !fitsIdLimit(text)) return false
  const localpart = text.slice(1, colon)
  return !localpart.includes('\0') && localpart.isWellFormed() && isServerName(text.slice(colon + 1))
}
