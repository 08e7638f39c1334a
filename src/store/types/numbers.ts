/** The short numbers that rows refer to each other by, inside one database. */

declare const number: unique symbol

/** Of an event. */
export type EventNid = number & { readonly [number]: 'EventNid' }
/** Of a room. */
export type RoomNid = number & { readonly [number]: 'RoomNid' }
