/** What belongs to one user: profile, presence, account data, tags, filters, push rules, receipts, typing. */
import { type Draft, type Operation, V3 } from '#test/twin/operation.ts'
import { FILTERS } from '#test/twin/operations/syncing.ts'
import { type User, userId, type World } from '#test/twin/world.ts'

const PROFILE_FIELDS = ['displayname', 'displayname', 'avatar_url', 'm.tz', 'test.field'] as const
const RECEIPT_TYPES = ['m.read', 'm.read', 'm.read.private', 'm.fully_read', 'm.other'] as const

export const PERSONAL_OPERATIONS: readonly Operation[] = [
  {
    id: 'setProfileField',
    method: 'PUT',
    path: `${V3}/profile/{userId}/{keyName}`,
    weight: 3,
    draft: (world) => {
      const [user, params] = own(world)
      const keyName = world.pick(PROFILE_FIELDS)
      const value =
        keyName === 'avatar_url' ? world.pick(['mxc://twin.example/face', '']) : world.pick(['Somebody', ''])
      const name = world.chance(12) ? 'other' : keyName
      if (name !== keyName) world.odd('another field')
      return { as: world.client(user), params: { ...params, keyName }, body: { [name]: value } }
    },
  },
  {
    id: 'getProfileField',
    method: 'GET',
    path: `${V3}/profile/{userId}/{keyName}`,
    weight: 2,
    draft: (world) => {
      const params = { userId: world.userId(world.user()), keyName: world.pick(PROFILE_FIELDS) }
      return { as: world.client(), params }
    },
  },
  {
    id: 'deleteProfileField',
    method: 'DELETE',
    path: `${V3}/profile/{userId}/{keyName}`,
    weight: 1,
    draft: (world) => {
      const [user, params] = own(world)
      return { as: world.client(user), params: { ...params, keyName: world.pick(PROFILE_FIELDS) } }
    },
  },
  {
    id: 'getUserProfile',
    method: 'GET',
    path: `${V3}/profile/{userId}`,
    weight: 2,
    draft: (world) => ({ as: world.client(), params: { userId: world.userId(world.user()) } }),
  },
  {
    id: 'setPresence',
    method: 'PUT',
    path: `${V3}/presence/{userId}/status`,
    weight: 1,
    draft: (world) => {
      const [user, params] = own(world)
      const presence = world.pick(['online', 'unavailable', 'offline', 'dancing'])
      const message = world.chance(2) ? { status_msg: 'here' } : {}
      return { as: world.client(user), params, body: { presence, ...message } }
    },
  },
  {
    id: 'getPresence',
    method: 'GET',
    path: `${V3}/presence/{userId}/status`,
    weight: 1,
    draft: (world) => ({ as: world.client(), params: { userId: world.userId(world.user()) } }),
  },
  ...accountData('AccountData', 'account_data/{type}'),
  ...accountData('AccountDataPerRoom', 'rooms/{roomId}/account_data/{type}'),
  {
    id: 'getRoomTags',
    method: 'GET',
    path: `${V3}/user/{userId}/rooms/{roomId}/tags`,
    weight: 1,
    draft: (world) => ownRoom(world),
  },
  {
    id: 'setRoomTag',
    method: 'PUT',
    path: `${V3}/user/{userId}/rooms/{roomId}/tags/{tag}`,
    weight: 2,
    draft: (world) => {
      const body = world.pick<object>([{ order: 0.5 }, {}, { order: 1 }, { order: 'high' }, { order: 0.1, more: 'x' }])
      return ownRoom(world, { tag: world.pick(['m.favourite', 'u.work']) }, body)
    },
  },
  {
    id: 'deleteRoomTag',
    method: 'DELETE',
    path: `${V3}/user/{userId}/rooms/{roomId}/tags/{tag}`,
    weight: 1,
    draft: (world) => ownRoom(world, { tag: world.pick(['m.favourite', 'u.work', 'u.none']) }),
  },
  {
    id: 'defineFilter',
    method: 'POST',
    path: `${V3}/user/{userId}/filter`,
    weight: 1,
    draft: (world) => {
      const [user, params] = own(world)
      const name = world.fresh('filter')
      world.filters.push({ id: `<${name}>`, user })
      const body = world.pick<object>([...Object.values(FILTERS), { event_fields: ['type', 'content.body'] }])
      return { as: world.client(user), params, body, binds: { [name]: ['filter_id'] } }
    },
  },
  {
    id: 'getFilter',
    method: 'GET',
    path: `${V3}/user/{userId}/filter/{filterId}`,
    weight: 1,
    draft: (world) => {
      const filter = world.filters.length > 0 && !world.chance(4) ? world.pick(world.filters) : null
      if (filter === null) world.odd('unknown filter')
      const user = filter?.user ?? world.user()
      return { as: world.client(user), params: { userId: userId(user), filterId: filter?.id ?? '99999' } }
    },
  },
  {
    id: 'postReceipt',
    method: 'POST',
    path: `${V3}/rooms/{roomId}/receipt/{receiptType}/{eventId}`,
    weight: 5,
    draft: (world) => {
      const room = world.room()
      const receiptType = world.pick(RECEIPT_TYPES)
      const thread = world.pick([undefined, undefined, undefined, 'main', 'event'])
      const body = thread === undefined ? {} : { thread_id: thread === 'main' ? thread : world.eventId(room) }
      const params = { roomId: world.roomId(room), receiptType, eventId: world.eventId(room) }
      if (receiptType === 'm.other') world.odd('unknown type')
      return { as: world.client(world.memberOf(room)), params, body }
    },
  },
  {
    id: 'setReadMarker',
    method: 'POST',
    path: `${V3}/rooms/{roomId}/read_markers`,
    weight: 2,
    draft: (world) => {
      const room = world.room()
      const body = {
        ...(world.chance(2) && { 'm.fully_read': world.eventId(room) }),
        ...(world.chance(2) && { 'm.read': world.eventId(room) }),
        ...(world.chance(4) && { 'm.read.private': world.eventId(room) }),
      }
      return { as: world.client(world.memberOf(room)), params: { roomId: world.roomId(room) }, body }
    },
  },
  {
    id: 'setTyping',
    method: 'PUT',
    path: `${V3}/rooms/{roomId}/typing/{userId}`,
    weight: 2,
    draft: (world) => {
      const room = world.room()
      const user = world.memberOf(room)
      const params = { roomId: world.roomId(room), userId: world.chance(20) ? userId(world.user()) : userId(user) }
      // Long enough to last until the script's end.
      const body = world.chance(3) ? { typing: false } : { typing: true, timeout: 100_000 }
      return { as: world.client(user), params, body }
    },
  },
  {
    id: 'requestOpenIdToken',
    method: 'POST',
    path: `${V3}/user/{userId}/openid/request_token`,
    weight: 1,
    draft: (world) => {
      const [user, params] = own(world)
      return { as: world.client(user), params, body: {} }
    },
  },
]

/** A user and their id in the path, now and then somebody else's. */
export function own(world: World): [user: User, params: { userId: string }] {
  const user = world.user()
  if (!world.chance(20)) return [user, { userId: userId(user) }]
  const other = world.user()
  if (other !== user) world.odd("somebody else's")
  return [user, { userId: userId(other) }]
}

function ownRoom(world: World, more: object = {}, body?: object): Draft {
  const room = world.room()
  const user = world.memberOf(room)
  const params = { userId: userId(user), roomId: world.roomId(room), ...more }
  return { as: world.client(user), params, ...(body === undefined ? {} : { body }) }
}

function accountData(ending: string, path: string): Operation[] {
  const draft = (world: World): Draft => ownRoom(world, { type: accountDataType(world) })
  return [
    {
      id: `set${ending}`,
      method: 'PUT',
      path: `${V3}/user/{userId}/${path}`,
      weight: 2,
      draft: (world) => ({ ...draft(world), body: world.pick<object>([{ a: 1 }, {}, { b: ['x'] }]) }),
    },
    { id: `get${ending}`, method: 'GET', path: `${V3}/user/{userId}/${path}`, weight: 1, draft },
  ]
}

function accountDataType(world: World): string {
  const type = world.pick(['test.a', 'test.a', 'test.b', 'm.direct', 'm.fully_read', 'm.push_rules', 'm.tag'])
  if (type.startsWith('m.') && type !== 'm.direct') world.odd(type)
  return type
}
