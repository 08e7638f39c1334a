import { isSliceOver, nextSlice } from '#store/time-slices.ts'

/** Short writes don't pause, however busy the thread is. */
const STEPS_BETWEEN_LOOKS = 20

/**
 * Lets a long write (a join of a large room) yield to the event loop now and then: reads go on, other writes wait.
 * `if (pauses.due()) await pauses.pause()` after each small step.
 */
export class Pauses {
  #steps = 0

  due(): boolean {
    return ++this.#steps % STEPS_BETWEEN_LOOKS === 0 && isSliceOver()
  }

  pause(): Promise<void> {
    return nextSlice()
  }
}

/** Rows of one read that is as long as its caller's list. */
const PART_ITEMS_MAX = 250

/** Reads for a list that may be long part by part, with pauses between. */
export async function inParts<Item, Row>(
  items: Iterable<Item>,
  read: (part: Item[]) => Promise<readonly Row[]>,
): Promise<readonly Row[]> {
  const all = [...items]
  if (all.length <= PART_ITEMS_MAX) return read(all)
  const rows: Row[] = []
  for (let at = 0; at < all.length; at += PART_ITEMS_MAX) {
    if (isSliceOver()) await nextSlice()
    for (const row of await read(all.slice(at, at + PART_ITEMS_MAX))) rows.push(row)
  }
  return rows
}
