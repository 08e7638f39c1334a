import { type ServerName, serverOf } from '#core/ids.ts'
import type { Store } from '#store/store.ts'
import type { EventRow } from '#store/types/events.ts'

/**
 * Has an event that another server's user made, and that came in by way of this server alone, sent on to the servers
 * that were in the room before it or are after it: "the resident server must also send the event to other servers
 * participating in the room". `wake` is called when that is on disk.
 */
export function passOnBy(store: Store, own: ServerName, wake: () => void): (row: EventRow) => Promise<void> {
  return async ({ nid, roomNid, event, position }) => {
    if (position === null) return
    await store.write(async (tx) => {
      const servers = new Set([
        ...(await tx.rooms.serversAt(roomNid, position - 1)),
        ...(await tx.rooms.serversAt(roomNid, position)),
      ])
      servers.delete(own)
      servers.delete(serverOf(event.sender))
      await tx.outbound.addMissed(
        [...servers].map((destination) => ({ destination, roomNid, eventNid: nid, position })),
      )
    })
    wake()
  }
}
