import { type Cursor, readVarint, writeVarint } from '#store/state-tree/varint.ts'
import type { EventNid } from '#store/types/events.ts'

/** Stands before the distance to an event that was stored later than the one that cites it. */
const FORWARD = 0

/**
 * The events that an event cites, in few bytes: how far back each one's number lies. What is cited was mostly stored
 * before, so that distances are positive, and to a predecessor small.
 */
export function packReferences(from: EventNid, cited: readonly EventNid[]): Uint8Array {
  const bytes: number[] = []
  for (const nid of cited) {
    if (nid === from) throw new RangeError(`Event ${from} can't cite itself`)
    if (nid > from) bytes.push(FORWARD)
    writeVarint(bytes, Math.abs(from - nid))
  }
  return Uint8Array.from(bytes)
}

export function unpackReferences(from: EventNid, bytes: Uint8Array): EventNid[] {
  const cursor: Cursor = { bytes, at: 0 }
  const cited: EventNid[] = []
  while (cursor.at < bytes.length) {
    const distance = readVarint(cursor)
    cited.push((distance === FORWARD ? from + readVarint(cursor) : from - distance) as EventNid)
  }
  return cited
}
