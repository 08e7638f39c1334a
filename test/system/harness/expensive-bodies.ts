/** For each endpoint that takes JSON: the bodies it accepts that cost most, by what they are made of. */
import { JSON_KEYS_MAX, JSON_VALUES_PER_MIB_MAX } from '#core/json/parse-long.ts'
import { BODY_BYTES_MAX, type Endpoint } from '#kit/endpoint.ts'
import { INITIAL_STATE_MAX, INVITES_MAX } from '#services/rooms/creation/room-creation.ts'
import type { Api } from '#test/system/harness/api.ts'

export type Setting = {
  readonly api: Api
  readonly roomId: string
  readonly eventId: string
  /** Of a key backup. */
  readonly version: string
}

type Request = { readonly path: string; readonly body: string }
export type Expensive = { readonly what: string; make(n: number): Request }

/** Room for the rest of the body. */
const KEYS = JSON_KEYS_MAX - 100
/** As long in JSON as a string may be, but for the rest of its body. */
const LONG_TEXT = 'é\\"'.repeat(Math.floor((BODY_BYTES_MAX - 2_000) / 6))
const ED25519 = 'A'.repeat(43)
const SIGNATURE = 'A'.repeat(86)

const numbered = <T>(count: number, entry: (n: number) => [string, T]) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => entry(n)))
const manyKeys = (count: number, n = 0) => numbered(count, (i) => [`key ${n} ${i}`, i])

/** Objects of the kinds that cost most for their bytes, together as much as a body may hold. */
export function fillings(bytes: number, n: number): [what: string, filling: object][] {
  const values = Math.floor((bytes / BODY_BYTES_MAX) * JSON_VALUES_PER_MIB_MAX) - 200
  const objects = Math.floor(values / KEYS)
  return [
    ['keys', numbered(objects, (i) => [`o${i}`, manyKeys(KEYS - 1, n + i)])],
    ['list of objects', { list: Array.from({ length: Math.floor(values / 2) - 1 }, () => ({ a: 1 })) }],
    ['odd numbers', { list: Array.from({ length: values - 1 }, (_, i) => i + 0.5) }],
    ['long texts', { texts: list(bytes / BODY_BYTES_MAX, () => LONG_TEXT) }],
  ]
}

/** What a good body has, by operation: `list`s are filled up with entries of the cheapest kind. */
const SPECIAL: Readonly<Record<string, (n: number, setting: Setting) => readonly [what: string, body: object][]>> = {
  createRoom: (n) => [
    ['initial_state', { initial_state: list(6_000, (i) => ({ type: 'm.x', state_key: `${n} ${i}`, content: {} })) }],
    [
      'the most initial_state taken',
      { initial_state: list(INITIAL_STATE_MAX, (i) => ({ type: 'm.x', state_key: `${n} ${i}`, content: {} })) },
    ],
    ['invite', { invite: list(16_000, (i) => `@${n}x${i}:hearth.test`) }],
    ['the most invites taken', { invite: list(INVITES_MAX, (i) => `@${n}x${i}:hearth.test`) }],
    [
      'creators',
      { preset: 'trusted_private_chat', creation_content: { additional_creators: list(16_000, (i) => `@${i}:x`) } },
    ],
  ],
  uploadCrossSigningSignatures: (n, { api }) => [
    ['keys', { [api.userId]: numbered(200, (i) => [`D${n}x${i}`, signedObject(api.userId, `D${n}x${i}`)]) }],
  ],
  deleteDevices: () => [['devices', { devices: list(1_000, (i) => `device${i}`) }]],
  defineFilter: () => [
    ['types', { room: { timeline: { types: list(2_000, (i) => `type.${i}*`) } } }],
    ['rooms', { room: { rooms: list(4_000, (i) => `!room${i}:x`) } }],
  ],
  putRoomKeysByRoomId: (n) => [['sessions', { sessions: sessions(10_000, n) }]],
  putRoomKeys: (n) => [
    ['sessions of one room', { rooms: { '!r:x': { sessions: sessions(10_000, n) } } }],
    ['rooms', { rooms: numbered(10_000, (i) => [`!room${i}:x`, { sessions: sessions(1, n) }]) }],
  ],
  claimKeys: () => [
    ['users', { one_time_keys: numbered(10_000, (i) => [`@u${i}:hearth.test`, { D: 'signed_curve25519' }]) }],
  ],
  queryKeys: () => [['users', { device_keys: numbered(10_000, (i) => [`@u${i}:hearth.test`, []]) }]],
  uploadKeys: (n) => [
    ['one-time keys', { one_time_keys: numbered(1_000, (i) => [`a:${n}x${i}`, { key: 'k', signatures: {} }]) }],
  ],
  queryPublicRooms: () => [['room types', { filter: { room_types: list(30_000, (i) => `t${i}`) } }]],
  upgradeRoom: () => [
    ['creators', { new_version: '12', additional_creators: list(16_000, (i) => `@u${i}:hearth.test`) }],
  ],
  sendToDevice: (_n, { api }) => [
    ['users', { messages: numbered(16_000, (i) => [`@u${i}:hearth.test`, { '*': {} }]) }],
    ['devices', { messages: { [api.userId]: numbered(16_000, (i) => [`D${i}`, {}]) } }],
  ],
  bulkPerspectivesKeyQuery: () => [['servers', { server_keys: numbered(8_000, (i) => [`s${i}.invalid`, {}]) }]],
  setPushRule: () => [
    [
      'conditions',
      { actions: [], conditions: list(32, () => ({ kind: 'event_match', key: 'a', pattern: '*a'.repeat(60) })) },
    ],
  ],
  setRoomStateWithKey: () => [['power levels', { users: numbered(1_900, (i) => [`@user${i}:hearth.test`, 1]) }]],
}

const list = <T>(count: number, entry: (n: number) => T) => Array.from({ length: count }, (_, n) => entry(n))

/** Of a key backup, with data as long as Megolm's. */
export function sessions(count: number, n: number): object {
  const data = {
    first_message_index: 0,
    forwarded_count: 0,
    is_verified: true,
    session_data: { ciphertext: 'x'.repeat(700) },
  }
  return numbered(count, (i) => [`session ${n} ${i}`, data])
}

function signedObject(userId: string, deviceId: string): object {
  const signatures = { [userId]: { [`ed25519:${ED25519}`]: SIGNATURE } }
  return {
    user_id: userId,
    device_id: deviceId,
    algorithms: [],
    keys: { [`ed25519:${deviceId}`]: ED25519 },
    signatures,
  }
}

/** Members that a body needs to be looked at at all. */
const REQUIRED: Readonly<Record<string, object>> = {
  postRoomKeysVersion: { algorithm: 'a', auth_data: {} },
  putRoomKeysVersion: { algorithm: 'a', auth_data: {} },
  putRoomKeyBySessionId: { first_message_index: 0, forwarded_count: 0, is_verified: true, session_data: {} },
  putRoomKeysByRoomId: { sessions: {} },
  putRoomKeys: { rooms: {} },
  deleteDevices: { devices: [] },
  claimKeys: { one_time_keys: {} },
  queryKeys: { device_keys: {} },
  login: { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'nobody' }, password: 'x' },
  refresh: { refresh_token: 'x' },
  setPresence: { presence: 'online' },
  setPushRule: { actions: [] },
  setPushRuleActions: { actions: [] },
  setPushRuleEnabled: { enabled: true },
  setRoomAlias: { room_id: '!x:hearth.test' },
  ban: { user_id: '@x:hearth.test' },
  kick: { user_id: '@x:hearth.test' },
  unban: { user_id: '@x:hearth.test' },
  inviteUser: { user_id: '@x:hearth.test' },
  sendToDevice: { messages: {} },
  setTyping: { typing: false },
  upgradeRoom: { new_version: 'none' },
  bulkPerspectivesKeyQuery: { server_keys: {} },
}

/** The most expensive bodies of an endpoint: those of its own lists, and members that it passes over or keeps. */
export function expensiveBodies(endpoint: Endpoint, setting: Setting): Expensive[] {
  const path = pathOf(endpoint, setting)
  const required = REQUIRED[endpoint.spec ?? ''] ?? {}
  const general = fillings(endpoint.bodyBytesMax, 0).map(([what], index) => ({
    what,
    make: (n: number) => {
      const [, filling] = fillings(endpoint.bodyBytesMax, n)[index] as [string, object]
      return { path: path(n), body: JSON.stringify({ ...required, ...filling }) }
    },
  }))
  const special = SPECIAL[endpoint.spec ?? '']
  const own = special?.(0, setting).map(([what], index) => ({
    what,
    make: (n: number) => ({ path: path(n), body: JSON.stringify(special(n, setting)[index]?.[1]) }),
  }))
  return [...general, ...(own ?? [])]
}

function pathOf(endpoint: Endpoint, { api, roomId, eventId, version }: Setting): (n: number) => string {
  const params: Readonly<Record<string, string>> = {
    userId: api.userId,
    deviceId: api.deviceId,
    roomId,
    roomIdOrAlias: roomId,
    roomAlias: '#alias:hearth.test',
    eventId,
    version,
    kind: 'override',
    ruleId: 'rule',
    keyName: 'org.example.field',
    receiptType: 'm.read',
    eventType: 'm.x',
    stateKey: '',
    type: 'org.example',
    sessionId: 'session',
    tag: 'u.x',
    token: 'x',
  }
  const query = Object.hasOwn(endpoint.query, 'version') ? `?version=${version}` : ''
  return (n) =>
    (endpoint.paths[0] as string).replaceAll(/\{(\w+)\}/g, (_all, name: string) =>
      encodeURIComponent(name === 'txnId' ? `txn${n}x${performance.now()}` : (params[name] ?? 'x')),
    ) + query
}
