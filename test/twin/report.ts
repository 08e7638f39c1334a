/** Collects differences over many scripts, and says each once. */
import type { Found } from '#test/twin/play.ts'
import type { Call, Script } from '#test/twin/script.ts'
import type { Twins } from '#test/twin/servers.ts'
import { shrink } from '#test/twin/shrink.ts'

const VALUE_CHARS_MAX = 700
/** Each takes some seconds. */
const SHRUNK_MAX = 6

type Entry = { readonly found: Found; readonly script: Script; count: number }

export class Report {
  readonly #entries = new Map<string, Entry>()

  add(script: Script, found: Found): void {
    const entry = this.#entries.get(found.key)
    if (entry === undefined) this.#entries.set(found.key, { found, script, count: 1 })
    else entry.count += 1
  }

  has(key: string): boolean {
    return this.#entries.has(key)
  }

  get size(): number {
    return this.#entries.size
  }

  /** By how often they came. A few are shown with a short script that leads there. */
  async lines(twins: Twins): Promise<string[]> {
    const entries = [...this.#entries.values()].sort((a, b) => b.count - a.count)
    const lines: string[] = []
    for (const [i, { found, script, count }] of entries.entries()) {
      const steps = i < SHRUNK_MAX && script.seed > 0 ? (await shrink(twins, script, found.at, found.key)).calls : null
      const where = script.seed > 0 ? `--scripts 1 --seed ${script.seed}, step ${found.at}` : 'bad values'
      lines.push(
        found.key,
        `    ${count} times; first ${where}`,
        ...(steps ?? [script.calls[found.at]!]).map((call) => `    | ${describe(call)}`),
        `    hearth:  ${shown(found.hearth)}`,
        `    synapse: ${shown(found.synapse)}`,
      )
    }
    return lines
  }
}

/** A request in one line. */
export function describe(call: Call): string {
  const path = call.path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => call.params[name] ?? '')
  const query = Object.entries(call.query).map(([name, value]) => `${name}=${value}`)
  const body = typeof call.body === 'function' ? '(signed keys)' : shown(call.raw ?? call.body)
  return `${call.as ?? 'nobody'}: ${call.method} ${path}${query.length === 0 ? '' : `?${query.join('&')}`} ${body}`
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '(nothing)')
  return text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX)}…` : text
}
