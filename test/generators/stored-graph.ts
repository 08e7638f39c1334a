import type { Event } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { Store } from '#store/store.ts'
import type { EventNid } from '#store/types/events.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { StateId } from '#store/types/state.ts'
import type { HostileGraph } from '#test/generators/hostile-graphs.ts'

const OUTLIERS_AT_ONCE = 500

/** Writes the graph's events, outside of any timeline, and its states. */
export async function storeGraph(
  store: Store,
  graph: HostileGraph,
): Promise<{ readonly room: RoomNid; readonly states: readonly StateId[] }> {
  const events = [...graph.room.events.values()]
  const room = await store.write((tx) => tx.rooms.create(graph.room.create.roomId, graph.room.rules.version))
  const nids = new Map<EventId, EventNid>()
  for (let at = 0; at < events.length; at += OUTLIERS_AT_ONCE) {
    const some = events.slice(at, at + OUTLIERS_AT_ONCE)
    const outliers = some.map((event) => ({ event: storable(event), verdict: 'accepted' as const }))
    const given = await store.write((tx) => tx.events.addOutliers(room, outliers))
    for (const [index, nid] of given.entries()) nids.set((some[index] as (typeof some)[number]).eventId, nid)
  }
  const states: StateId[] = []
  for (const state of graph.states) {
    const entries = [...state].map(([key, eventId]) => {
      const [type, stateKey] = key.split('\0') as [string, string]
      return { type, stateKey, event: nids.get(eventId) as EventNid }
    })
    states.push(await store.write((tx) => tx.state.build(room, entries)))
  }
  return { room, states }
}

/** Generated events have no JSON, which is what a store keeps. */
function storable(event: Event): Event {
  const { type, stateKey, sender, content, roomId, prevEvents, authEvents, depth, originServerTs } = event
  const json = {
    type,
    ...(stateKey === null ? {} : { state_key: stateKey }),
    sender,
    content,
    room_id: roomId,
    prev_events: prevEvents,
    auth_events: authEvents,
    depth,
    origin_server_ts: originServerTs,
    hashes: {},
    signatures: {},
  }
  return { ...event, json: json as unknown as JsonObject }
}
