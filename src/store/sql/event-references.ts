import { type Cursor, readVarint, writeVarint } from '#store/state-tree/varint.ts'
import type { EventNid } from '#store/types/events.ts'

/**
 * The events that an event cites, in few bytes: how far back each one's number lies. What is cited was stored before,
 * so distances are positive, and to a predecessor mostly small.
 */
export function packReferences(from: EventNid, cited: readonly EventNid[]): Uint8Array {
  const bytes: number[] = []
  for (const nid of cited) {
    if (nid >= from) throw new RangeError(`Event ${from} can't cite event ${nid}`)
    writeVarint(bytes, from - nid)
  }
  return Uint8Array.from(bytes)
}

export function unpackReferences(from: EventNid, bytes: Uint8Array): EventNid[] {
  const cursor: Cursor = { bytes, at: 0 }
  const cited: EventNid[] = []
  while (cursor.at < bytes.length) cited.push((from - readVarint(cursor)) as EventNid)
  return cited
}
