/** The state before an event: "the resolution of the set of states" after the events that it cites. */
import { setImmediate } from 'node:timers/promises'
import { type Event, type StateMap, stateMapKey } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'
import { gatherAuthChains } from '#core/state/gather-events.ts'
import { resolve } from '#core/state/resolve.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { EventNid, EventRow } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'

/** Events of auth chains that are read at once. */
const READ_EVENTS_MAX = 500

/**
 * The state that these states resolve to: one of them where they don't differ, otherwise one that is written if it
 * isn't there yet.
 */
export async function stateBefore(
  store: Store,
  room: RoomNid,
  rules: RoomVersionRules,
  states: readonly StateId[],
): Promise<StateId> {
  const [first, ...others] = new Set(states)
  if (first === undefined) throw new RangeError('An event that is not the first cites others')
  if (others.length === 0) return first
  const maps = await Promise.all([first, ...others].map((state) => readState(store, state)))
  const rows = await readAuthChains(
    store,
    maps.flatMap((map) => [...map.values()]),
  )
  const events = new Map([...rows].map(([eventId, row]) => [eventId, row.event]))
  const resolution = resolve(rules, maps, events, { isRejected: (eventId) => rows.get(eventId)?.rejected ?? false })
  let step = resolution.next()
  while (!step.done) {
    await setImmediate()
    step = resolution.next()
  }
  const changes = difference(maps[0] as StateMap, step.value, rows)
  return changes.length === 0 ? first : store.write((tx) => tx.state.apply(room, first, changes))
}

function readState(store: Store, state: StateId): Promise<StateMap> {
  return store.read(async (tx) => {
    const entries = await tx.state.entries(state)
    const ids = await tx.state.eventIds(entries.map(({ eventNid }) => eventNid))
    return new Map(
      entries.map(({ type, stateKey, eventNid }) => [stateMapKey(type, stateKey), ids.get(eventNid) as EventId]),
    )
  })
}

/** The events and all that authorises them. */
async function readAuthChains(store: Store, tips: readonly EventId[]): Promise<Map<EventId, EventRow>> {
  const rows = new Map<EventId, EventRow>()
  const gathering = gatherAuthChains(tips)
  let round = gathering.next()
  while (!round.done) {
    const received: Event[] = []
    for (let at = 0; at < round.value.length; at += READ_EVENTS_MAX) {
      const some = round.value.slice(at, at + READ_EVENTS_MAX)
      for (const row of await store.read((tx: ReadTx) => tx.events.byIds(some))) {
        rows.set(row.event.eventId, row)
        received.push(row.event)
      }
    }
    round = gathering.next(received)
  }
  return rows
}

type Change = { readonly type: string; readonly stateKey: string; readonly event: EventNid | null }

function difference(from: StateMap, to: StateMap, rows: ReadonlyMap<EventId, EventRow>): Change[] {
  const changes: Change[] = []
  for (const key of new Set([...from.keys(), ...to.keys()])) {
    const eventId = to.get(key)
    if (eventId === from.get(key)) continue
    const [type, stateKey] = key.split('\0') as [string, string]
    changes.push({ type, stateKey, event: eventId === undefined ? null : (rows.get(eventId)?.nid ?? null) })
  }
  return changes
}
