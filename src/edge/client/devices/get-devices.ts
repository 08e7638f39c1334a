/** `GET /_matrix/client/v3/devices`: the user's devices. */
import { endpoint } from '#kit/endpoint.ts'
import { clientDevice } from '../shared/client-device.ts'

export default endpoint({
  spec: 'getDevices',
  method: 'GET',
  path: '/_matrix/client/v3/devices',
  auth: 'user-or-guest',
  rateLimit: false,
  async handle({ caller }, { devices }) {
    return { devices: (await devices.list(caller.userNid)).map(clientDevice) }
  },
})
