/** `DELETE /_matrix/client/v3/devices/{deviceId}`: delete a device and end its session. */
import { Type } from 'typebox'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tDeviceId } from '#kit/schemas.ts'
import { tAuth } from '../shared/account-schemas.ts'
import { withConsent } from '../shared/with-consent.ts'

export default endpoint({
  spec: 'deleteDevice',
  method: 'DELETE',
  path: '/_matrix/client/v3/devices/{deviceId}',
  auth: 'user',
  rateLimit: 'other',
  params: { deviceId: tDeviceId },
  body: Type.Object({ auth: tAuth }),
  async handle({ params, body, caller }, { devices, uia }) {
    const request = { operation: 'deleteDevice', caller, body, target: params.deviceId } as const
    return withConsent(uia, request, async (consent) => {
      await devices.delete(caller.userNid, [params.deviceId], consent)
      return empty
    })
  },
})
