/** Matrix identifiers (specification appendices, "Identifier Grammar"). Branded, so that one can't pass for another. */
declare const brand: unique symbol
type Brand<Name extends string> = string & { readonly [brand]: Name }

export type UserId = Brand<'UserId'>
export type RoomId = Brand<'RoomId'>
export type EventId = Brand<'EventId'>
export type RoomAlias = Brand<'RoomAlias'>
export type ServerName = Brand<'ServerName'>
export type DeviceId = Brand<'DeviceId'>

/** The longest identifier that an event may carry, in bytes of UTF-8. */
export const ID_BYTES_MAX = 255
