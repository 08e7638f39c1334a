import type { ReadTx } from '#store/store.ts'
import type { EventNid, EventRow } from '#store/types/events.ts'
import type { StateId } from '#store/types/state.ts'

/**
 * The member events of the senders of these events ("Lazy-loading room members"), each as it was at the first of the
 * sender's events, without those that are among the events.
 */
export async function membersOfSenders(tx: ReadTx, rows: readonly EventRow[]): Promise<EventRow[]> {
  const known = new Set(rows.map((row) => row.nid))
  const nids = (await memberNids(tx, rows)).filter((nid) => !known.has(nid))
  const events = await tx.events.byNids(nids)
  return nids.flatMap((nid) => events.get(nid) ?? [])
}

async function memberNids(tx: ReadTx, rows: readonly EventRow[]): Promise<EventNid[]> {
  const stateBySender = new Map<string, StateId>()
  for (const { event, stateAfter } of rows) {
    if (!stateBySender.has(event.sender)) stateBySender.set(event.sender, stateAfter)
  }
  const nids = new Set<EventNid>()
  for (const [state, entries] of Map.groupBy(stateBySender, ([, stateAfter]) => stateAfter)) {
    const keys = entries.map(([sender]) => ['m.room.member', sender] as const)
    for (const nid of await tx.state.getMany(state, keys)) if (nid !== null) nids.add(nid)
  }
  return [...nids]
}
