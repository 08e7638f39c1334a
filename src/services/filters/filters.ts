import { sha256Base64 } from '#core/crypto.ts'
import { type Filter, parseFilter } from '#core/filter/filter.ts'
import type { JsonObject } from '#core/json/value.ts'
import { notFound } from '#core/matrix-error.ts'
import type { Caller } from '#services/accounts/caller.ts'
import type { Store } from '#store/store.ts'

/** Filters that clients upload once and then name. */
export class Filters {
  readonly #store: Store

  constructor(deps: { store: Store }) {
    this.#store = deps.store
  }

  /** Its id; the same definition keeps it. @throws MatrixError M_BAD_JSON, M_TOO_LARGE */
  async define({ userNid }: Caller, definition: JsonObject): Promise<string> {
    parseFilter(definition)
    const hash = sha256Base64(JSON.stringify(definition))
    const known = await this.#store.read((tx) => tx.filters.find(userNid, hash))
    return String(known ?? (await this.#store.write((tx) => tx.filters.put(userNid, hash, definition))))
  }

  /** The definition as it was uploaded. @throws MatrixError M_NOT_FOUND */
  async definition({ userNid }: Caller, filterId: string): Promise<JsonObject> {
    const number = /^[1-9]\d{0,14}$/.test(filterId) ? Number(filterId) : null
    const found = number === null ? null : await this.#store.read((tx) => tx.filters.get(userNid, number))
    if (found === null) throw notFound('No such filter')
    return found
  }

  /** The filter made ready for use. @throws MatrixError M_NOT_FOUND */
  async filter(caller: Caller, filterId: string): Promise<Filter> {
    return parseFilter(await this.definition(caller, filterId))
  }
}
