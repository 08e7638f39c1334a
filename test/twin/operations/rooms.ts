/** Rooms: making, entering, leaving them, and who may. */
import { type Operation, V3 } from '#test/twin/operation.ts'
import { SERVER_NAME } from '#test/twin/servers.ts'
import { ROOM_VERSIONS, type Room, USERS, type User, userId, type World } from '#test/twin/world.ts'

export const JOIN_RULES = ['public', 'invite', 'knock', 'restricted', 'knock_restricted', 'private', 'other'] as const
export const HISTORY_VISIBILITIES = ['shared', 'invited', 'joined', 'world_readable', 'other'] as const
export const GUEST_ACCESS = ['can_join', 'forbidden'] as const
const PRESETS = ['private_chat', 'public_chat', 'trusted_private_chat'] as const

export const ROOM_OPERATIONS: readonly Operation[] = [
  {
    id: 'createRoom',
    method: 'POST',
    path: `${V3}/createRoom`,
    weight: 4,
    draft: (world) => {
      const creator = world.user()
      const name = world.fresh('room')
      const version = world.pick(ROOM_VERSIONS)
      const preset = world.pick(PRESETS)
      const invite = USERS.filter((user) => user !== creator && world.chance(3))
      world.rooms.push({
        id: `<${name}>`,
        version,
        creator,
        joined: new Set([creator]),
        invited: new Set(invite),
        left: new Set(),
        isOpen: preset === 'public_chat',
      })
      const body = { preset, room_version: version, invite: invite.map(userId), ...moreOfRoom(world, name) }
      return { as: world.client(creator), body, binds: { [name]: ['room_id'] } }
    },
  },
  {
    id: 'joinRoomById',
    method: 'POST',
    path: `${V3}/rooms/{roomId}/join`,
    weight: 6,
    draft: (world) => joining(world, 'roomId'),
  },
  {
    id: 'joinRoom',
    method: 'POST',
    path: `${V3}/join/{roomIdOrAlias}`,
    weight: 3,
    draft: (world) => joining(world, 'roomIdOrAlias'),
  },
  {
    id: 'knockRoom',
    method: 'POST',
    path: `${V3}/knock/{roomIdOrAlias}`,
    weight: 1,
    draft: (world) => {
      const room = world.room()
      const user = world.chance(4) ? world.user() : outsiderOf(world, room)
      return { as: world.client(user), params: { roomIdOrAlias: world.roomId(room) }, body: reason(world) }
    },
  },
  {
    id: 'leaveRoom',
    method: 'POST',
    path: `${V3}/rooms/{roomId}/leave`,
    weight: 2,
    draft: (world) => {
      const room = world.room()
      const user = world.memberOf(room)
      depart(room, user)
      return { as: world.client(user), params: { roomId: world.roomId(room) }, body: reason(world) }
    },
  },
  {
    id: 'forgetRoom',
    method: 'POST',
    path: `${V3}/rooms/{roomId}/forget`,
    weight: 1,
    draft: (world) => {
      const room = world.room()
      const user = room.left.size > 0 && !world.chance(4) ? world.pick([...room.left]) : world.user()
      return { as: world.client(user), params: { roomId: world.roomId(room) }, body: {} }
    },
  },
  {
    id: 'inviteUser',
    method: 'POST',
    path: `${V3}/rooms/{roomId}/invite`,
    weight: 4,
    draft: (world) => {
      const room = world.room()
      const user = world.chance(4) ? world.user() : outsiderOf(world, room)
      room.invited.add(user)
      const as = world.client(world.memberOf(room))
      return { as, params: { roomId: world.roomId(room) }, body: { user_id: world.userId(user), ...reason(world) } }
    },
  },
  moderation('kick', 2),
  moderation('ban', 2),
  moderation('unban', 2),
  {
    id: 'getJoinedRooms',
    method: 'GET',
    path: `${V3}/joined_rooms`,
    weight: 1,
    draft: (world) => ({ as: world.client() }),
  },
  {
    id: 'upgradeRoom',
    method: 'POST',
    path: `${V3}/rooms/{roomId}/upgrade`,
    weight: 1,
    draft: (world) => {
      const room = world.room()
      const name = world.fresh('room')
      const version = world.pick(ROOM_VERSIONS)
      const by = world.moderatorOf(room)
      const upgraded = { ...room, id: `<${name}>`, version, creator: by }
      world.rooms.push({ ...upgraded, joined: new Set([by]), invited: new Set(), left: new Set() })
      const wrong = world.chance(10)
      if (wrong) world.odd('unknown version')
      return {
        as: world.client(by),
        params: { roomId: world.roomId(room) },
        body: { new_version: wrong ? 'unknown' : version },
        binds: { [name]: ['replacement_room'] },
      }
    },
  },
]

function moreOfRoom(world: World, name: string): object {
  const events = world.chance(3)
    ? [{ type: 'm.room.guest_access', content: { guest_access: 'can_join' } }]
    : world.chance(3)
      ? [
          {
            type: 'm.room.history_visibility',
            content: { history_visibility: world.pick(HISTORY_VISIBILITIES.slice(0, 4)) },
          },
        ]
      : []
  const alias = `${name}-<tag>`
  if (world.chance(4)) world.aliases.push(`#${alias}:${SERVER_NAME}`)
  return {
    ...(world.chance(2) && { name: `Name of ${name}` }),
    ...(world.chance(4) && { topic: 'What it is about' }),
    ...(world.aliases.at(-1)?.startsWith(`#${alias}`) && { room_alias_name: alias }),
    ...(world.chance(4) && { visibility: 'public' }),
    ...(world.chance(5) && { is_direct: true }),
    ...(world.chance(6) && { creation_content: { 'm.federate': false, type: 'm.space' } }),
    ...(world.chance(6) && { power_level_content_override: { users_default: 10, events: { 'm.room.topic': 10 } } }),
    ...(events.length > 0 && { initial_state: events }),
  }
}

function joining(world: World, param: string) {
  const room = world.room()
  const user = outsiderOf(world, room)
  if (room.isOpen || room.invited.has(user)) {
    room.joined.add(user)
    room.invited.delete(user)
  }
  const byAlias = param !== 'roomId' && world.aliases.length > 0 && world.chance(2)
  const where = byAlias ? world.pick(world.aliases) : world.roomId(room)
  return { as: world.client(user), params: { [param]: where }, body: reason(world) }
}

function moderation(id: 'kick' | 'ban' | 'unban', weight: number): Operation {
  return {
    id,
    method: 'POST',
    path: `${V3}/rooms/{roomId}/${id}`,
    weight,
    draft: (world) => {
      const room = world.room()
      const user = world.user()
      const by = world.moderatorOf(room)
      if (id !== 'unban' && by === room.creator && user !== by) depart(room, user)
      const body = { user_id: world.userId(user), ...reason(world) }
      return { as: world.client(by), params: { roomId: world.roomId(room) }, body }
    },
  }
}

function outsiderOf(world: World, room: Room): User {
  const outside = USERS.filter((user) => !room.joined.has(user))
  return outside.length > 0 && !world.chance(6) ? world.pick(outside) : world.user()
}

function depart(room: Room, user: User): void {
  if (room.joined.delete(user)) room.left.add(user)
  room.invited.delete(user)
}

function reason(world: World): object {
  return world.chance(4) ? { reason: 'because' } : {}
}
