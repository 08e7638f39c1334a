import { STRIPPED_STATE_TYPES } from '#core/event/stripped-state.ts'
import type { UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { ReadTx } from '#store/store.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/**
 * What another server may tell a user of ours, or theirs, who is invited or knocks: whole events, "formatted according
 * to the room version specification", with the member events of some users.
 */
export async function strippedStateOf(tx: ReadTx, room: RoomNid, members: readonly UserId[]): Promise<JsonObject[]> {
  const nids = (await tx.state.current(room, STRIPPED_STATE_TYPES)).filter(({ stateKey }) => stateKey === '')
  const wanted = nids.map(({ eventNid }) => eventNid)
  for (const userId of members) {
    const nid = await tx.state.currentOne(room, 'm.room.member', userId)
    if (nid !== null) wanted.push(nid)
  }
  const rows = await tx.events.byNids(wanted)
  return [...rows.values()].map(({ event }) => event.json)
}
