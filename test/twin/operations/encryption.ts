/** Keys, messages to devices, backups. Keys are made once a process: both servers get the same. */
import { CrossSigningKeys, CryptoDevice } from '#test/harness/crypto-device.ts'
import { type Draft, type Operation, V3 } from '#test/twin/operation.ts'
import { confirmed } from '#test/twin/operations/accounts.ts'
import type { Resolve } from '#test/twin/script.ts'
import { DEVICES, type User, userId, type World } from '#test/twin/world.ts'

const BACKUP = 'm.megolm_backup.v1.curve25519-aes-sha2'
const SESSION = { first_message_index: 1, forwarded_count: 0, is_verified: false, session_data: { ciphertext: 'x' } }

export const ENCRYPTION_OPERATIONS: readonly Operation[] = [
  {
    id: 'uploadKeys',
    method: 'POST',
    path: `${V3}/keys/upload`,
    weight: 3,
    draft: (world) => {
      const client = world.client()
      const [what, first] = [world.random.between(0, 3), world.random.between(0, 3)]
      return { as: client, body: (resolve: Resolve) => keysOf(client, resolve, what, first) }
    },
  },
  {
    id: 'queryKeys',
    method: 'POST',
    path: `${V3}/keys/query`,
    weight: 2,
    draft: (world) => {
      const devices = world.pick([[], ['DEVICE1'], ['UNKNOWN']])
      return { as: world.client(), body: { device_keys: { [world.userId(world.user())]: devices } } }
    },
  },
  {
    id: 'claimKeys',
    method: 'POST',
    path: `${V3}/keys/claim`,
    weight: 2,
    draft: (world) => {
      const keys = { [`DEVICE${world.pick(DEVICES)}`]: 'signed_curve25519' }
      return { as: world.client(), body: { one_time_keys: { [userId(world.user())]: keys } } }
    },
  },
  {
    id: 'getKeysChanges',
    method: 'GET',
    path: `${V3}/keys/changes`,
    weight: 1,
    draft: (world) => {
      const client = world.client()
      return { as: client, query: { from: `<since ${client}>`, to: `<since ${client}>` } }
    },
  },
  {
    id: 'uploadCrossSigningKeys',
    method: 'POST',
    path: `${V3}/keys/device_signing/upload`,
    weight: 1,
    draft: (world) => {
      const user = world.user()
      const auth = confirmed(world, user)
      const body = (resolve: Resolve) => ({ ...crossSigningOf(user, resolve).upload(), ...resolved(auth, resolve) })
      return { as: world.client(user), body }
    },
  },
  {
    id: 'sendToDevice',
    method: 'PUT',
    path: `${V3}/sendToDevice/{eventType}/{txnId}`,
    weight: 3,
    draft: (world) => {
      const device = world.pick(['*', 'DEVICE1', 'DEVICE2', 'UNKNOWN'])
      const messages = { [world.userId(world.user())]: { [device]: { hello: world.fresh('text ') } } }
      const params = { eventType: 'test.message', txnId: world.fresh('txn') }
      return { as: world.client(), params, body: { messages } }
    },
  },
  {
    id: 'postRoomKeysVersion',
    method: 'POST',
    path: `${V3}/room_keys/version`,
    weight: 1,
    draft: (world) => {
      const user = world.user()
      const algorithm = world.chance(8) ? 'other' : BACKUP
      const body = { algorithm, auth_data: { public_key: 'abcdefg', signatures: {} } }
      return { as: world.client(user), body, binds: { [`backup ${user}`]: ['version'] } }
    },
  },
  {
    id: 'getRoomKeysVersionCurrent',
    method: 'GET',
    path: `${V3}/room_keys/version`,
    weight: 1,
    draft: (world) => ({ as: world.client() }),
  },
  { ...version('GET', 'getRoomKeysVersion'), draft: (world) => aboutVersion(world) },
  {
    ...version('PUT', 'putRoomKeysVersion'),
    draft: (world) => aboutVersion(world, { algorithm: BACKUP, auth_data: { public_key: 'other' } }),
  },
  { ...version('DELETE', 'deleteRoomKeysVersion'), draft: (world) => aboutVersion(world) },
  ...stored('RoomKeyBySessionId', '/{roomId}/{sessionId}', SESSION),
  ...stored('RoomKeysByRoomId', '/{roomId}', { sessions: { s1: SESSION } }),
  ...stored('RoomKeys', '', { rooms: { '!r:x': { sessions: { s1: { ...SESSION, is_verified: true } } } } }),
]

function version(method: 'GET' | 'PUT' | 'DELETE', id: string) {
  return { id, method, path: `${V3}/room_keys/version/{version}`, weight: 1 }
}

function aboutVersion(world: World, body?: object): Draft {
  const user = world.user()
  const unknown = world.chance(4)
  if (unknown) world.odd('unknown version')
  const params = { version: unknown ? '99999' : `<backup ${user}>` }
  return { as: world.client(user), params, ...(body === undefined ? {} : { body }) }
}

function stored(ending: string, below: string, body: object): Operation[] {
  const path = `${V3}/room_keys/keys${below}`
  const draft = (world: World): Draft => {
    const user = world.user()
    const query = { version: world.chance(6) ? '99999' : `<backup ${user}>` }
    if (query.version === '99999') world.odd('unknown version')
    const all = { roomId: world.room().id, sessionId: world.pick(['s1', 's2']) }
    const params = Object.fromEntries(Object.entries(all).filter(([name]) => below.includes(`{${name}}`)))
    return { as: world.client(user), params, query }
  }
  return [
    { id: `put${ending}`, method: 'PUT', path, weight: 1, draft: (world) => ({ ...draft(world), body }) },
    { id: `get${ending}`, method: 'GET', path, weight: 1, draft },
    { id: `delete${ending}`, method: 'DELETE', path, weight: 1, draft },
  ]
}

const devices = new Map<string, CryptoDevice>()
const crossSigning = new Map<string, CrossSigningKeys>()
const uploads = new Map<string, object>()

/** Made at the first call, the same at every further one. */
function once<T>(known: Map<string, T>, name: string, make: () => T): T {
  const made = known.get(name) ?? make()
  known.set(name, made)
  return made
}

function deviceOf(client: string, resolve: Resolve): CryptoDevice {
  const [user, number] = client.split(' ') as [User, string]
  const owner = { userId: resolve(userId(user)), deviceId: `DEVICE${number}` }
  return once(devices, `${owner.userId} ${number}`, () => new CryptoDevice(owner))
}

function crossSigningOf(user: User, resolve: Resolve): CrossSigningKeys {
  const id = resolve(userId(user))
  return once(crossSigning, id, () => new CrossSigningKeys(id))
}

function keysOf(client: string, resolve: Resolve, what: number, first: number): object {
  const device = deviceOf(client, resolve)
  return once(uploads, `${device.owner.userId} ${client} ${what} ${first}`, () => ({
    ...(what !== 1 && { device_keys: device.deviceKeys() }),
    ...(what !== 0 && { one_time_keys: device.oneTimeKeys(2, first) }),
    ...(what === 3 && { fallback_keys: device.fallbackKey(`f${first}`) }),
  }))
}

function resolved(json: object, resolve: Resolve): object {
  return JSON.parse(
    JSON.stringify(json, (_key, value: unknown) => (typeof value === 'string' ? resolve(value) : value)),
  )
}
