/** `PUT /_matrix/client/v3/devices/{deviceId}`: give one of the user's devices another name. */
import { Type } from 'typebox'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tDeviceId } from '#kit/schemas.ts'
import { tDeviceName } from '../shared/account-schemas.ts'

export default endpoint({
  spec: 'updateDevice',
  method: 'PUT',
  path: '/_matrix/client/v3/devices/{deviceId}',
  auth: 'user-or-guest',
  rateLimit: 'other',
  params: { deviceId: tDeviceId },
  body: Type.Object({ display_name: Type.Optional(tDeviceName) }),
  async handle({ params, body, caller }, { devices }) {
    await devices.update(caller.userNid, params.deviceId, body.display_name ?? null)
    return empty
  },
})
