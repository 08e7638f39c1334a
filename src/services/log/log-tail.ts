import type { CommittedEntry, LogCommit } from '#store/types/log.ts'

/** What is kept in memory of what was written last, for all followers together. */
export const TAIL_BYTES_MAX = 8 * 1024 * 1024

type Kept = LogCommit & { readonly bytes: number }

/**
 * The end of the log as this process wrote it, without gaps. What all followers have passed, and what doesn't fit, is
 * dropped: the database has it.
 */
export class LogTail {
  #commits: Kept[] = []
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  add(commit: LogCommit): void {
    // Another process has written in between.
    if (this.#commits.at(-1)?.to !== commit.from) this.clear()
    const bytes = commit.entries.reduce((sum, entry) => sum + entry.bytes, 0)
    this.#commits.push({ ...commit, bytes })
    this.#bytes += bytes
    while (this.#bytes > TAIL_BYTES_MAX) this.#dropFirst()
  }

  /**
   * Entries after a position, in order, and up to where they were looked at; null where the position isn't in the tail.
   * @param limit how many entries are taken at most
   */
  after<T>(
    position: number,
    limit: number,
    take: (entry: CommittedEntry) => T | null,
  ): { readonly upTo: number; readonly taken: readonly T[] } | null {
    const first = this.#commits.findLastIndex(({ from }) => from <= position)
    const taken: T[] = []
    let upTo = position
    for (let i = Math.max(first, 0); first >= 0 && i < this.#commits.length; i++) {
      const { to, entries } = this.#commits[i]!
      for (const entry of entries) {
        if (entry.position <= position) continue
        const wanted = take(entry)
        if (wanted !== null) taken.push(wanted)
        if (taken.length === limit) return { upTo: entry.position, taken }
      }
      upTo = Math.max(upTo, to)
    }
    return upTo > position ? { upTo, taken } : null
  }

  /** Drops what is behind all of these positions; those that stand before the tail read from the database. */
  trim(positions: readonly number[]): void {
    const start = this.#commits[0]?.from
    if (start === undefined) return
    const lowest = positions.reduce(
      (least, at) => (at >= start ? Math.min(least, at) : least),
      Number.POSITIVE_INFINITY,
    )
    while (this.#commits[0] !== undefined && this.#commits[0].to <= lowest) this.#dropFirst()
  }

  clear(): void {
    this.#commits = []
    this.#bytes = 0
  }

  #dropFirst(): void {
    this.#bytes -= this.#commits.shift()?.bytes ?? 0
  }
}
