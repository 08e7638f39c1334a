/** Events: sending, redacting and reading them. */
import { type Operation, V1, V3 } from '#test/twin/operation.ts'
import { GUEST_ACCESS, HISTORY_VISIBILITIES, JOIN_RULES } from '#test/twin/operations/rooms.ts'
import { type Room, USERS, type User, userId, type World } from '#test/twin/world.ts'

export const EVENT_OPERATIONS: readonly Operation[] = [
  {
    id: 'sendMessage',
    method: 'PUT',
    path: `${V3}/rooms/{roomId}/send/{eventType}/{txnId}`,
    weight: 16,
    draft: (world) => {
      const room = world.room()
      const sender = world.memberOf(room)
      const [eventType, body] = message(world, room)
      const name = noteEvent(world, room, sender, eventType)
      const params = { roomId: world.roomId(room), eventType, txnId: name }
      return { as: world.client(sender), params, body, binds: { [name]: ['event_id'] } }
    },
  },
  {
    id: 'setRoomStateWithKey',
    method: 'PUT',
    path: `${V3}/rooms/{roomId}/state/{eventType}/{stateKey}`,
    weight: 10,
    draft: (world) => {
      const room = world.room()
      const sender = world.moderatorOf(room)
      const [eventType, stateKey, body] = stateOf(world, room, sender)
      const name = noteEvent(world, room, sender, eventType)
      const params = { roomId: world.roomId(room), eventType, stateKey }
      return { as: world.client(sender), params, body, binds: { [name]: ['event_id'] } }
    },
  },
  {
    id: 'redactEvent',
    method: 'PUT',
    path: `${V3}/rooms/{roomId}/redact/{eventId}/{txnId}`,
    weight: 3,
    draft: (world) => {
      const room = world.room()
      const sender = world.memberOf(room)
      const params = { roomId: world.roomId(room), eventId: world.eventId(room), txnId: world.fresh('txn') }
      const name = noteEvent(world, room, sender, 'm.room.redaction')
      const body = world.chance(2) ? { reason: 'because' } : {}
      return { as: world.client(sender), params, body, binds: { [name]: ['event_id'] } }
    },
  },
  {
    id: 'getRoomEvents',
    method: 'GET',
    path: `${V3}/rooms/{roomId}/messages`,
    weight: 6,
    draft: (world) => {
      const room = world.room()
      const name = world.fresh('page')
      const from = world.chance(2) ? undefined : world.page(room)
      world.pages.push({ token: `<${name}>`, room })
      const query = {
        dir: world.pick(['b', 'b', 'f']),
        limit: world.pick([1, 3, 5, 100]),
        from,
        filter: world.chance(3) ? JSON.stringify(eventFilter(world)) : undefined,
      }
      const params = { roomId: world.roomId(room) }
      return { as: world.client(world.memberOf(room)), params, query, binds: { [name]: ['end'] } }
    },
  },
  {
    id: 'getEventContext',
    method: 'GET',
    path: `${V3}/rooms/{roomId}/context/{eventId}`,
    weight: 3,
    draft: (world) => {
      const room = world.room()
      const params = { roomId: world.roomId(room), eventId: world.eventId(room) }
      const filter = world.chance(3) ? JSON.stringify(eventFilter(world)) : undefined
      const name = world.fresh('page')
      world.pages.push({ token: `<${name}>`, room })
      const query = { limit: world.pick([0, 1, 4, 20]), filter }
      return { as: world.client(world.memberOf(room)), params, query, binds: { [name]: ['start'] } }
    },
  },
  {
    id: 'getOneRoomEvent',
    method: 'GET',
    path: `${V3}/rooms/{roomId}/event/{eventId}`,
    weight: 3,
    draft: (world) => {
      const room = world.room()
      const params = { roomId: world.roomId(room), eventId: world.eventId(room) }
      return { as: world.client(world.memberOf(room)), params }
    },
  },
  {
    id: 'getRoomStateWithKey',
    method: 'GET',
    path: `${V3}/rooms/{roomId}/state/{eventType}/{stateKey}`,
    weight: 3,
    draft: (world) => {
      const room = world.room()
      const [eventType, stateKey] = world.pick([
        ['m.room.create', ''],
        ['m.room.power_levels', ''],
        ['m.room.name', ''],
        ['m.room.member', userId(world.user())],
        ['test.unset', ''],
      ] as const)
      const query = { format: world.chance(2) ? world.pick(['event', 'content']) : undefined }
      const params = { roomId: world.roomId(room), eventType, stateKey }
      return { as: world.client(world.memberOf(room)), params, query }
    },
  },
  {
    id: 'getRoomState',
    method: 'GET',
    path: `${V3}/rooms/{roomId}/state`,
    weight: 2,
    unordered: [''],
    draft: (world) => aboutRoom(world),
  },
  {
    id: 'getMembersByRoom',
    method: 'GET',
    path: `${V3}/rooms/{roomId}/members`,
    weight: 2,
    unordered: ['chunk'],
    draft: (world) => {
      const room = world.room()
      const query = {
        membership: world.chance(4) ? world.pick(['join', 'leave', 'invite', 'ban']) : undefined,
        not_membership: world.chance(4) ? world.pick(['join', 'leave']) : undefined,
        at: world.chance(3) ? world.page(room) : undefined,
      }
      return { as: world.client(world.memberOf(room)), params: { roomId: world.roomId(room) }, query }
    },
  },
  {
    id: 'getJoinedMembersByRoom',
    method: 'GET',
    path: `${V3}/rooms/{roomId}/joined_members`,
    weight: 2,
    draft: (world) => aboutRoom(world),
  },
  {
    id: 'getEventByTimestamp',
    method: 'GET',
    path: `${V1}/rooms/{roomId}/timestamp_to_event`,
    weight: 1,
    draft: (world) => {
      const [dir, ts] = world.pick([
        ['f', 0],
        ['b', 4_000_000_000_000],
        ['f', 4_000_000_000_000],
        ['b', 0],
      ] as const)
      return { ...aboutRoom(world), query: { dir, ts } }
    },
  },
]

export function aboutRoom(world: World) {
  const room = world.room()
  return { as: world.client(world.memberOf(room)), params: { roomId: world.roomId(room) } }
}

export function eventFilter(world: World): object {
  return world.pick<object>([
    { types: ['m.room.message'] },
    { not_types: ['m.room.message', 'm.room.m*'] },
    { senders: [userId(world.user())] },
    { not_senders: [userId(world.user())] },
    { lazy_load_members: true },
    { contains_url: true },
    { contains_url: false },
    { types: [] },
    { not_senders: ['@nobody:twin.example'] },
    { related_by_rel_types: ['m.thread', 'm.annotation'] },
    { related_by_senders: [userId(world.user())] },
  ])
}

function noteEvent(world: World, room: Room, sender: User, type: string): string {
  const name = world.fresh('event')
  world.events.push({ id: `<${name}>`, room, sender, type })
  return name
}

function message(world: World, room: Room): [type: string, content: object] {
  const type = 'm.room.message'
  const text = { msgtype: 'm.text', body: world.fresh('text ') }
  const relation = (rel_type: string, more: object = {}) => ({
    'm.relates_to': { rel_type, event_id: world.eventId(room), ...more },
  })
  switch (world.random.between(0, 11)) {
    case 0:
      return [type, { ...text, 'm.mentions': { user_ids: [userId(world.user())] } }]
    case 1:
      return [type, { ...text, 'm.mentions': { room: true } }]
    case 2:
      return ['m.reaction', relation('m.annotation', { key: world.pick(['x', 'y']) })]
    case 3:
      return [type, { ...text, 'm.new_content': { msgtype: 'm.text', body: 'edited' }, ...relation('m.replace') }]
    case 4:
      return [type, { ...text, ...relation('m.thread') }]
    case 5:
      return ['m.room.encrypted', { algorithm: 'm.megolm.v1.aes-sha2', ciphertext: 'x', session_id: 's' }]
    case 6:
      return ['test.custom', { any: ['thing', 1, null, { 'm.room': true }], url: 'mxc://twin.example/x' }]
    case 7:
      return [type, { ...text, 'm.relates_to': { 'm.in_reply_to': { event_id: world.eventId(room) } } }]
    default:
      return [type, text]
  }
}

function stateOf(world: World, room: Room, sender: User): [type: string, stateKey: string, content: object] {
  const choices: (() => [string, string, object])[] = [
    () => ['m.room.name', '', { name: world.pick(['A name', 'Another name', '']) }],
    () => ['m.room.topic', '', { topic: 'A topic' }],
    () => ['m.room.join_rules', '', joinRules(world)],
    () => ['m.room.history_visibility', '', { history_visibility: world.pick(HISTORY_VISIBILITIES) }],
    () => ['m.room.guest_access', '', { guest_access: world.pick(GUEST_ACCESS) }],
    () => ['m.room.power_levels', '', powerLevels(world, room)],
    () => ['m.room.member', userId(world.chance(3) ? world.user() : sender), memberContent(world)],
    () => ['m.room.canonical_alias', '', canonicalAlias(world)],
    () => ['m.room.avatar', '', { url: 'mxc://twin.example/avatar' }],
    () => ['m.room.encryption', '', { algorithm: 'm.megolm.v1.aes-sha2' }],
    () => ['m.room.pinned_events', '', { pinned: [world.eventId(room)] }],
    () => ['m.space.child', world.room().id, world.chance(4) ? {} : { via: ['twin.example'] }],
    () => ['m.room.server_acl', '', { allow: ['*'], deny: ['evil.example'], allow_ip_literals: true }],
    () => ['m.room.tombstone', '', { body: 'gone', replacement_room: world.room().id }],
    () => ['m.room.third_party_invite', 'token', { display_name: 'x', key_validity_url: 'https://x', public_key: 'x' }],
    () => ['m.room.create', '', { room_version: room.version }],
    () => ['test.state', world.pick(['', 'key', '@x', userId(sender)]), { value: world.random.between(1, 3) }],
  ]
  return world.pick(choices)()
}

function joinRules(world: World): object {
  const rule = world.pick(JOIN_RULES)
  const allow = [{ type: 'm.room_membership', room_id: world.room().id }]
  return rule.includes('restricted') ? { join_rule: rule, allow } : { join_rule: rule }
}

function powerLevels(world: World, room: Room): object {
  // From version 12 on creators must not be named.
  const named = world.chance(8) ? USERS : USERS.filter((user) => user !== room.creator)
  const levels = named.map((user) => [userId(user), world.pick([0, 50, 100])] as const)
  const own = room.version === '12' ? [] : [[userId(room.creator), 100] as const]
  return {
    users: Object.fromEntries([...levels, ...own]),
    users_default: 0,
    events: { 'm.room.name': world.pick([0, 50]), 'm.room.power_levels': 100 },
    invite: world.pick([0, 50]),
    ...(world.chance(4) && { notifications: { room: 20 } }),
    ...(world.chance(10) && { kick: world.pick<unknown>(['50', 1.5, null]) }),
  }
}

function memberContent(world: World): object {
  const membership = world.pick(['join', 'join', 'leave', 'invite', 'ban', 'knock', 'dance'])
  return { membership, ...(world.chance(2) && { displayname: world.pick(['Somebody', '', null]) }) }
}

function canonicalAlias(world: World): object {
  if (world.aliases.length === 0 || world.chance(5)) return { alias: '#nothing:twin.example' }
  const alias = world.pick(world.aliases)
  return world.pick<object>([{ alias }, { alias, alt_aliases: [alias] }, { alt_aliases: [alias] }, {}, { alias: null }])
}
