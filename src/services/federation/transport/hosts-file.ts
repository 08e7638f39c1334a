import type { LookupAddress } from 'node:dns'
import { readFile, stat } from 'node:fs/promises'
import { isIP } from 'node:net'

type Known = { readonly mtimeMs: number; readonly byName: ReadonlyMap<string, readonly LookupAddress[]> }

/** The names that an operator gave addresses (`/etc/hosts`); read again when it has changed. */
export class HostsFile {
  readonly #path: string
  #known: Known = { mtimeMs: -1, byName: new Map() }

  constructor(path = '/etc/hosts') {
    this.#path = path
  }

  /** None for a name that isn't there, and where there is no such file. */
  async addresses(host: string): Promise<readonly LookupAddress[]> {
    try {
      const { mtimeMs } = await stat(this.#path)
      if (mtimeMs !== this.#known.mtimeMs) {
        this.#known = { mtimeMs, byName: addressesByName(await readFile(this.#path, 'utf8')) }
      }
    } catch {
      return []
    }
    return this.#known.byName.get(host.toLowerCase()) ?? []
  }
}

/** Lines of an address and names; `#` begins a comment. */
function addressesByName(text: string): Map<string, LookupAddress[]> {
  const byName = new Map<string, LookupAddress[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...names] = (line.split('#', 1)[0] ?? '').split(/\s+/).filter((word) => word !== '')
    const family = isIP(address)
    if (family === 0) continue
    for (const name of names) {
      const key = name.toLowerCase()
      byName.set(key, [...(byName.get(key) ?? []), { address, family }])
    }
  }
  return byName
}
