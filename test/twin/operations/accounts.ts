/** Sessions, devices, and what a server says of itself. */
import { type Draft, type Operation, V3 } from '#test/twin/operation.ts'
import { PASSWORD } from '#test/twin/players.ts'
import { DEVICES, type User, userId, type World } from '#test/twin/world.ts'

const DEVICE_IDS = [...DEVICES.map((number) => `DEVICE${number}`), 'DEVICE3', 'UNKNOWN'] as const

export const ACCOUNT_OPERATIONS: readonly Operation[] = [
  ...['getVersions /_matrix/client/versions', `getLoginFlows ${V3}/login`].map((row): Operation => {
    const [id, path] = row.split(' ') as [string, string]
    return { id, method: 'GET', path, weight: 1, draft: () => ({ as: null }) }
  }),
  ...[`getCapabilities ${V3}/capabilities`, `getTokenOwner ${V3}/account/whoami`].map((row): Operation => {
    const [id, path] = row.split(' ') as [string, string]
    return { id, method: 'GET', path, weight: 1, draft: (world) => ({ as: world.chance(5) ? null : world.client() }) }
  }),
  {
    id: 'checkUsernameAvailability',
    method: 'GET',
    path: `${V3}/register/available`,
    weight: 1,
    draft: (world) => ({
      as: null,
      query: { username: world.pick(['<alice>', 'free-<tag>', 'Not A Name', '', '_x']) },
    }),
  },
  {
    id: 'register',
    method: 'POST',
    path: `${V3}/register`,
    weight: 1,
    draft: (world) => {
      const username = world.pick(['<alice>', `${world.fresh('new')}-<tag>`, 'Not A Name', '12345'])
      const auth = world.chance(3) ? {} : { auth: { type: 'm.login.dummy' } }
      return { as: null, body: { username, password: PASSWORD, inhibit_login: world.chance(2), ...auth } }
    },
  },
  {
    id: 'login',
    method: 'POST',
    path: `${V3}/login`,
    weight: 2,
    draft: (world) => {
      const user = world.user()
      const password = world.chance(4) ? 'wrong' : PASSWORD
      if (password === 'wrong') world.odd('wrong password')
      const more = world.pick<object>([{ device_id: 'DEVICE3' }, {}, { refresh_token: true }])
      const name = world.chance(4) ? userId(user) : `<${user}>`
      const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user: name }, password, ...more }
      const binds = { [`token ${user} 3`]: ['access_token'], [`refresh ${user}`]: ['refresh_token'] }
      return { as: null, body: world.chance(10) ? { type: 'm.login.other' } : body, binds }
    },
  },
  {
    id: 'refresh',
    method: 'POST',
    path: `${V3}/refresh`,
    weight: 1,
    draft: (world) => {
      const user = world.user()
      const binds = { [`token ${user} 3`]: ['access_token'], [`refresh ${user}`]: ['refresh_token'] }
      const token = world.chance(4) ? 'unknown' : `<refresh ${user}>`
      if (token === 'unknown') world.odd('unknown token')
      return { as: null, body: { refresh_token: token }, binds }
    },
  },
  {
    id: 'logout',
    method: 'POST',
    path: `${V3}/logout`,
    weight: 1,
    draft: (world) => ({ as: `${world.user()} 3`, body: {} }),
  },
  {
    id: 'getDevices',
    method: 'GET',
    path: `${V3}/devices`,
    weight: 1,
    draft: (world) => ({ as: world.client() }),
  },
  { id: 'getDevice', method: 'GET', path: `${V3}/devices/{deviceId}`, weight: 1, draft: aboutDevice },
  {
    id: 'updateDevice',
    method: 'PUT',
    path: `${V3}/devices/{deviceId}`,
    weight: 1,
    draft: (world) => ({ ...aboutDevice(world), body: world.pick<object>([{ display_name: 'renamed' }, {}]) }),
  },
  {
    id: 'deleteDevice',
    method: 'DELETE',
    path: `${V3}/devices/{deviceId}`,
    weight: 1,
    draft: (world) => {
      const user = world.user()
      const deviceId = world.pick(['DEVICE3', 'UNKNOWN'])
      return { as: world.client(user), params: { deviceId }, body: confirmed(world, user) }
    },
  },
  {
    id: 'deleteDevices',
    method: 'POST',
    path: `${V3}/delete_devices`,
    weight: 1,
    draft: (world) => {
      const user = world.user()
      return { as: world.client(user), body: { devices: ['DEVICE3', 'UNKNOWN'], ...confirmed(world, user) } }
    },
  },
  {
    id: 'changePassword',
    method: 'POST',
    path: `${V3}/account/password`,
    weight: 1,
    draft: (world) => {
      const user = world.user()
      const body = { new_password: PASSWORD, logout_devices: false, ...confirmed(world, user) }
      return { as: world.client(user), body }
    },
  },
]

/** With the password, now and then a wrong one or none. */
export function confirmed(world: World, user: User): object {
  if (world.chance(5)) return {}
  const password = world.chance(5) ? 'wrong' : PASSWORD
  if (password === 'wrong') world.odd('wrong password')
  return { auth: { type: 'm.login.password', identifier: { type: 'm.id.user', user: `<${user}>` }, password } }
}

function aboutDevice(world: World): Draft {
  const deviceId = world.pick(DEVICE_IDS)
  if (deviceId === 'UNKNOWN') world.odd('unknown device')
  return { as: world.client(), params: { deviceId } }
}
