import type { JsonObject } from '#core/json/value.ts'
import type { DueEvent } from '#services/federation/outbound/due-event.ts'
import { lru } from '#store/lru.ts'
import type { Store } from '#store/store.ts'
import type { EventNid } from '#store/types/events.ts'

/** Events of up to 64 KiB each. */
const REMEMBERED_MAX = 200

/** Events as they are sent. Those of a moment ago are kept at hand: a room's servers all get the same. */
export class RecentPdus {
  readonly #store: Store
  readonly #recent = lru<EventNid, JsonObject>(REMEMBERED_MAX)

  constructor(store: Store) {
    this.#store = store
  }

  /** In the same order; null for one that isn't stored any more. */
  async of(events: readonly DueEvent[]): Promise<(JsonObject | null)[]> {
    const known = events.map(({ eventNid }) => this.#recent.get(eventNid) ?? null)
    const missing = events.filter((_, i) => known[i] === null).map(({ eventNid }) => eventNid)
    if (missing.length === 0) return known
    const rows = await this.#store.read((tx) => tx.events.byNids(missing))
    for (const [nid, { event }] of rows) this.#recent.set(nid, event.json)
    return events.map(({ eventNid }, i) => known[i] ?? rows.get(eventNid)?.event.json ?? null)
  }
}
