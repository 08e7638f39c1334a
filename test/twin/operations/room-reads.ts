/** Rooms seen from outside or as a whole: directory, aliases, spaces, summaries, the old ways to sync. */
import { type Operation, V1, V3 } from '#test/twin/operation.ts'
import { aboutRoom } from '#test/twin/operations/events.ts'
import { SERVER_NAME } from '#test/twin/servers.ts'
import type { World } from '#test/twin/world.ts'

export const ROOM_READ_OPERATIONS: readonly Operation[] = [
  {
    id: 'setRoomAlias',
    method: 'PUT',
    path: `${V3}/directory/room/{roomAlias}`,
    weight: 2,
    draft: (world) => {
      const room = world.room()
      const isTaken = world.aliases.length > 0 && world.chance(5)
      const roomAlias = isTaken ? world.pick(world.aliases) : `#${world.fresh('alias')}-<tag>:${SERVER_NAME}`
      if (!isTaken) world.aliases.push(roomAlias)
      const as = world.client(world.memberOf(room))
      return { as, params: { roomAlias }, body: { room_id: world.roomId(room) } }
    },
  },
  {
    id: 'getRoomIdByAlias',
    method: 'GET',
    path: `${V3}/directory/room/{roomAlias}`,
    weight: 2,
    draft: (world) => ({ as: world.client(), params: { roomAlias: alias(world) } }),
  },
  {
    id: 'deleteRoomAlias',
    method: 'DELETE',
    path: `${V3}/directory/room/{roomAlias}`,
    weight: 1,
    draft: (world) => ({ as: world.client(), params: { roomAlias: alias(world) } }),
  },
  {
    id: 'getLocalAliases',
    method: 'GET',
    path: `${V3}/rooms/{roomId}/aliases`,
    weight: 1,
    draft: aboutRoom,
  },
  {
    id: 'getRoomVisibilityOnDirectory',
    method: 'GET',
    path: `${V3}/directory/list/room/{roomId}`,
    weight: 1,
    draft: aboutRoom,
  },
  {
    id: 'setRoomVisibilityOnDirectory',
    method: 'PUT',
    path: `${V3}/directory/list/room/{roomId}`,
    weight: 1,
    draft: (world) => ({ ...aboutRoom(world), body: { visibility: world.pick(['public', 'private', 'other']) } }),
  },
  {
    id: 'getPublicRooms',
    method: 'GET',
    path: `${V3}/publicRooms`,
    unordered: ['chunk'],
    weight: 1,
    draft: (world) => ({ as: world.client(), query: { limit: 1000 } }),
  },
  {
    id: 'queryPublicRooms',
    method: 'POST',
    path: `${V3}/publicRooms`,
    unordered: ['chunk'],
    weight: 1,
    draft: (world) => {
      const room_types = world.pick([undefined, ['m.space'], [null], [null, 'm.space']])
      const term = world.chance(2) ? { generic_search_term: 'name' } : {}
      return { as: world.client(), body: { filter: { ...term, ...(room_types && { room_types }) }, limit: 1000 } }
    },
  },
  {
    id: 'getRoomSummary',
    method: 'GET',
    path: `${V1}/room_summary/{roomIdOrAlias}`,
    weight: 2,
    draft: (world) => {
      const where = world.aliases.length > 0 && world.chance(3) ? alias(world) : world.roomId(world.room())
      return { as: world.client(), params: { roomIdOrAlias: where } }
    },
  },
  {
    id: 'getSpaceHierarchy',
    method: 'GET',
    path: `${V1}/rooms/{roomId}/hierarchy`,
    weight: 2,
    draft: (world) => {
      const query = {
        suggested_only: world.chance(4) ? true : undefined,
        max_depth: world.chance(4) ? world.pick([0, 1]) : undefined,
        limit: world.chance(4) ? 1 : undefined,
      }
      return { ...aboutRoom(world), query }
    },
  },
  {
    id: 'initialSync',
    method: 'GET',
    path: `${V3}/initialSync`,
    weight: 1,
    unordered: ['rooms'],
    sparse: true,
    draft: (world) => ({ as: world.client(), query: { limit: world.pick([1, 10]) } }),
  },
  {
    id: 'roomInitialSync',
    method: 'GET',
    path: `${V3}/rooms/{roomId}/initialSync`,
    sparse: true,
    weight: 1,
    draft: aboutRoom,
  },
  {
    id: 'getOneEvent',
    method: 'GET',
    path: `${V3}/events/{eventId}`,
    weight: 1,
    draft: (world) => {
      const room = world.room()
      return { as: world.client(world.memberOf(room)), params: { eventId: world.eventId(room) } }
    },
  },
]

function alias(world: World): string {
  if (world.aliases.length > 0 && !world.chance(8)) return world.pick(world.aliases)
  const [what, text] = world.pick([
    ['unknown alias', `#nothing:${SERVER_NAME}`],
    ['malformed alias', 'nothing'],
  ] as const)
  world.odd(what)
  return text
}
