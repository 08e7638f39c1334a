/** What a resident server gives to one that joins: the room's state before the join, and what authorises it. */
import type { Event } from '#core/event/event.ts'
import type { ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { Steps } from '#core/state/steps.ts'
import { LoadedAuthGraph, readEvents } from '#services/rooms/pipeline/auth-graph.ts'
import type { ReadTx, Store } from '#store/store.ts'
import { inSlices } from '#store/time-slices.ts'
import type { EventNid, EventRow } from '#store/types/events.ts'
import type { StateEntry } from '#store/types/state.ts'

/** Members who stand for the name of a room without one ("m.heroes"). */
const HEROES_MAX = 5

/** The answer's body (server-server API, `send_join` version 2). */
export type SendJoinAnswer = {
  /** "The membership event sent to other servers by the resident server". */
  readonly event: JsonObject
  readonly state: readonly JsonObject[]
  readonly auth_chain: readonly JsonObject[]
  readonly members_omitted: boolean
  readonly servers_in_room?: readonly ServerName[]
}

/** Reads the answer for a join that has its place in the timeline; `omitMembers` as the joining server asked for it. */
export async function sendJoinAnswer(store: Store, join: EventRow, omitMembers: boolean): Promise<SendJoinAnswer> {
  const { kept, servers } = await store.read(async (tx) => {
    const entries = await tx.state.entries(join.stateBefore)
    return {
      kept: omitMembers ? await withoutMembers(tx, entries, join) : entries,
      servers: omitMembers ? await tx.rooms.serversAt(join.roomNid, (join.position ?? 0) - 1) : null,
    }
  })
  const state = kept.map(({ eventNid }) => eventNid)
  const graph = new LoadedAuthGraph(store)
  await graph.load([...state, join.nid])
  const cited = [...state, join.nid].flatMap((nid) => graph.authEvents(nid))
  const chain = await inSlices(graph.chains(cited, new Steps()))
  // "Any events that are returned in `state` may be omitted from `auth_chain`."
  if (omitMembers) for (const nid of state) chain.delete(nid)
  const rows = await readEvents(store, new Set([...state, ...chain]))
  const json = (nids: Iterable<EventNid>): JsonObject[] => jsonOf(rows, nids)
  return {
    event: join.event.json,
    state: json(state),
    auth_chain: json(chain),
    members_omitted: omitMembers,
    ...(servers === null ? {} : { servers_in_room: [...servers] }),
  }
}

/** The state but for its members; of a room without a name those are left who give it one. */
async function withoutMembers(tx: ReadTx, entries: readonly StateEntry[], join: EventRow): Promise<StateEntry[]> {
  const isNamed = entries.some(
    ({ type, stateKey }) => (type === 'm.room.name' || type === 'm.room.canonical_alias') && stateKey === '',
  )
  const heroes = isNamed ? [] : await tx.memberships.heroes(join.roomNid, join.senderNid, HEROES_MAX)
  const left = new Set<string>((await tx.users.userIds(heroes)).values())
  return entries.filter(({ type, stateKey }) => type !== 'm.room.member' || left.has(stateKey))
}

function jsonOf(rows: ReadonlyMap<EventNid, { readonly event: Event }>, nids: Iterable<EventNid>): JsonObject[] {
  const events: JsonObject[] = []
  for (const nid of nids) {
    const row = rows.get(nid)
    if (row !== undefined) events.push(row.event.json)
  }
  return events
}
