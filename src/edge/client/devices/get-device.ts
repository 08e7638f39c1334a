/** `GET /_matrix/client/v3/devices/{deviceId}`: one of the user's devices. */
import { endpoint } from '#kit/endpoint.ts'
import { tDeviceId } from '#kit/schemas.ts'
import { clientDevice } from '../shared/client-device.ts'

export default endpoint({
  spec: 'getDevice',
  method: 'GET',
  path: '/_matrix/client/v3/devices/{deviceId}',
  auth: 'user-or-guest',
  rateLimit: false,
  params: { deviceId: tDeviceId },
  handle: async ({ params, caller }, { devices }) => clientDevice(await devices.get(caller.userNid, params.deviceId)),
})
