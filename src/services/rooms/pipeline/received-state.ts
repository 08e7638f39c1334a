/** A room's state as one received event is judged by it. */
import type { StateLookup } from '#core/auth/room-view.ts'
import { authEventKeys } from '#core/event/auth-events.ts'
import { type Event, type StateKey, stateMapKey } from '#core/event/event.ts'
import type { ReadTx } from '#store/store.ts'
import type { StateId } from '#store/types/state.ts'

/** What the authorisation rules may ask for about an event, of one state. */
export async function readAuthState(tx: ReadTx, state: StateId, event: Event): Promise<StateLookup> {
  const keys: StateKey[] = [['m.room.create', ''], ['m.room.power_levels', ''], ...authEventKeys(event, event.rules)]
  const nids = await tx.state.getMany(state, keys)
  const rows = await tx.events.byNids(nids.filter((nid) => nid !== null))
  const found = new Map<string, Event>()
  for (const [index, [type, stateKey]] of keys.entries()) {
    const nid = nids[index] ?? null
    const row = nid === null ? undefined : rows.get(nid)
    if (row !== undefined) found.set(stateMapKey(type, stateKey), row.event)
  }
  return (type, stateKey) => found.get(stateMapKey(type, stateKey))
}

/**
 * A state that may lack parts, filled up with what the event itself cites: for rooms whose full state is still being
 * fetched.
 */
export function filledUp(state: StateLookup, authEvents: readonly Event[]): StateLookup {
  const cited = new Map(authEvents.map((event) => [stateMapKey(event.type, event.stateKey ?? ''), event]))
  return (type, stateKey) => state(type, stateKey) ?? cited.get(stateMapKey(type, stateKey))
}
