/** What every script ends with: everybody reads everything once more. */
import type { Draft, Operation } from '#test/twin/operation.ts'
import { ENDING_OPERATIONS } from '#test/twin/operations/endings.ts'
import { allClients, syncOf } from '#test/twin/operations/syncing.ts'
import { USERS, type World } from '#test/twin/world.ts'

const ROOMS_MAX = 3

/** The requests, as pairs of operation and draft. */
export function closing(world: World, operations: ReadonlyMap<string, Operation>): (readonly [Operation, Draft])[] {
  const ask = (id: string, draft: Draft) => [operations.get(id)!, draft] as const
  const ofRooms = world.rooms.slice(0, ROOMS_MAX).flatMap((room) =>
    USERS.flatMap((user) => {
      const about = { as: `${user} 1`, params: { roomId: room.id } }
      return [
        ask('getRoomState', about),
        ask('getJoinedMembersByRoom', about),
        ask('getRoomEvents', { ...about, query: { dir: 'b', limit: 100 } }),
        ask('getRoomSummary', { as: about.as, params: { roomIdOrAlias: room.id } }),
      ]
    }),
  )
  const ofUsers = USERS.flatMap((user) => {
    const as = `${user} 1`
    return [ask('getJoinedRooms', { as }), ask('getDevices', { as }), ask('sync', { as, query: { timeout: 0 } })]
  })
  // Written for nobody's sake but their own: they note nothing in the world.
  const endings = ENDING_OPERATIONS.map((operation) => [operation, operation.draft(world)!] as const)
  return [
    ...allClients().map((client) => ask('sync', syncOf(world, client))),
    ...ofRooms,
    ...ofUsers,
    ask('logout', { as: 'alice 2', body: {} }),
    ...endings,
  ]
}
