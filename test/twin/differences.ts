/**
 * The list of differences that are meant to be. A line that begins in the first column is the name of one, in which `*`
 * stands for anything; the indented lines below it give the reason, which begins with `rule:` (the specification makes
 * Hearth right) or `choice:` (it leaves it open, and this is why we do otherwise).
 */
export type Listed = { readonly pattern: string; readonly reason: string; readonly line: number }

/** @throws Error for an entry without a reason, or one that is listed twice */
export function parseDifferences(text: string): Listed[] {
  const entries: { pattern: string; reason: string; line: number }[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const isReason = /^\s/.test(line)
    const last = entries.at(-1)
    if (isReason && last === undefined) throw new Error(`line ${index + 1}: a reason without a difference`)
    if (isReason) last!.reason = `${last!.reason} ${line.trim()}`.trim()
    else entries.push({ pattern: line.trim(), reason: '', line: index + 1 })
  }
  // Several names in a row share the reason below them.
  for (const [i, entry] of [...entries.entries()].reverse()) {
    if (entry.reason === '') entry.reason = entries[i + 1]?.reason ?? ''
    if (!/^(?:rule|choice): \S/.test(entry.reason)) {
      throw new Error(`line ${entry.line}: ${entry.pattern}: the reason is to begin with "rule: " or "choice: "`)
    }
    if (entries.findIndex(({ pattern }) => pattern === entry.pattern) !== i) {
      throw new Error(`line ${entry.line}: ${entry.pattern} is listed twice`)
    }
  }
  return entries
}

/** Which entry lists a difference, and which entries never did. */
export class Ledger {
  readonly #entries: readonly { readonly listed: Listed; readonly fits: RegExp }[]
  readonly #used = new Set<Listed>()
  readonly #known = new Map<string, Listed | null>()

  constructor(entries: readonly Listed[]) {
    this.#entries = entries.map((listed) => {
      const parts = listed.pattern.split('*').map((part) => RegExp.escape(part))
      return { listed, fits: new RegExp(`^${parts.join('.*')}$`) }
    })
  }

  lists(key: string): boolean {
    const known = this.#known.get(key)
    if (known !== undefined) return known !== null
    const listed = this.#entries.filter(({ fits }) => fits.test(key)).map((entry) => entry.listed)
    this.#known.set(key, listed[0] ?? null)
    for (const entry of listed) this.#used.add(entry)
    return listed.length > 0
  }

  /** Entries that no difference had use for. */
  get unused(): Listed[] {
    return this.#entries.map(({ listed }) => listed).filter((listed) => !this.#used.has(listed))
  }
}
