import type { StateRow } from '#store/state-tree/row.ts'

/** What a row costs in memory besides its bytes. */
const ROW_OVERHEAD_BYTES = 250

/**
 * Rows lately used, of all rooms. Two generations: when the young one is full it becomes the old one, and what is
 * used there moves to the young. (Evicting the single oldest from a Map costs ten times as much.)
 */
export class RowCache {
  readonly #generationBytesMax: number
  #young = new Map<number, StateRow>()
  #old = new Map<number, StateRow>()
  #youngBytes = 0
  #oldBytes = 0

  constructor(bytesMax: number) {
    this.#generationBytesMax = bytesMax / 2
  }

  get bytes(): number {
    return this.#youngBytes + this.#oldBytes
  }

  get(id: number): StateRow | undefined {
    const young = this.#young.get(id)
    if (young !== undefined) return young
    const old = this.#old.get(id)
    if (old !== undefined) this.set(old)
    return old
  }

  /** Only for rows that are committed: the ids of others are given out again. */
  set(row: StateRow): void {
    if (this.#young.has(row.id)) return
    const bytes = row.data.length + ROW_OVERHEAD_BYTES
    if (this.#youngBytes + bytes > this.#generationBytesMax) {
      this.#old = this.#young
      this.#oldBytes = this.#youngBytes
      this.#young = new Map()
      this.#youngBytes = 0
    }
    this.#young.set(row.id, row)
    this.#youngBytes += bytes
  }
}
