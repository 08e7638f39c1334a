/** `DELETE /_matrix/client/v3/devices/{deviceId}`: delete a device and end its session. */
import { Type } from 'typebox'
import { empty, json } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tDeviceId } from '#kit/schemas.ts'
import { tAuth } from '../shared/account-schemas.ts'

export default endpoint({
  spec: 'deleteDevice',
  method: 'DELETE',
  path: '/_matrix/client/v3/devices/{deviceId}',
  auth: 'user',
  rateLimit: false,
  params: { deviceId: tDeviceId },
  body: Type.Object({ auth: tAuth }),
  async handle({ params, body, caller }, { devices, uia }) {
    const result = await uia.authorize({ operation: 'deleteDevice', caller, body, target: params.deviceId })
    if (!result.allowed) return json(401, result.challenge)
    await devices.delete(caller.userNid, [params.deviceId])
    return empty
  },
})
