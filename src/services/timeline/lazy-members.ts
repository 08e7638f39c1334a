import type { ReadTx } from '#store/store.ts'
import type { EventNid, EventRow } from '#store/types/events.ts'
import type { StateId } from '#store/types/state.ts'

/**
 * The member events of the senders of these events ("Lazy-loading room members"), each as it was at the first of the
 * sender's events. One that is among the events is repeated: clients look for a sender in the state alone.
 */
export async function membersOfSenders(tx: ReadTx, rows: readonly EventRow[]): Promise<EventRow[]> {
  const nids = await memberNids(tx, rows)
  const events = await tx.events.byNids(nids)
  return nids.flatMap((nid) => events.get(nid) ?? [])
}

async function memberNids(tx: ReadTx, rows: readonly EventRow[]): Promise<EventNid[]> {
  const found = await membersAt(tx, firstStates(rows))
  // Who makes a room isn't a member of it at the first of their events.
  const missing = rows.filter(({ event }) => !found.has(event.sender)).toReversed()
  return [...found.values(), ...(await membersAt(tx, firstStates(missing))).values()]
}

/** The state after the first event of each sender. */
function firstStates(rows: readonly EventRow[]): ReadonlyMap<string, StateId> {
  const states = new Map<string, StateId>()
  for (const { event, stateAfter } of rows) if (!states.has(event.sender)) states.set(event.sender, stateAfter)
  return states
}

async function membersAt(tx: ReadTx, states: ReadonlyMap<string, StateId>): Promise<Map<string, EventNid>> {
  const found = new Map<string, EventNid>()
  for (const [state, entries] of Map.groupBy(states, ([, stateAfter]) => stateAfter)) {
    const senders = entries.map(([sender]) => sender)
    const nids = await tx.state.getMany(
      state,
      senders.map((sender) => ['m.room.member', sender] as const),
    )
    for (const [i, nid] of nids.entries()) if (nid !== null) found.set(senders[i]!, nid)
  }
  return found
}
