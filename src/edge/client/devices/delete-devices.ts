/** `POST /_matrix/client/v3/delete_devices`: delete several devices and end their sessions. */
import { Type } from 'typebox'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tDeviceId } from '#kit/schemas.ts'
import { tAuth } from '../shared/account-schemas.ts'
import { withConsent } from '../shared/with-consent.ts'

const DEVICES_MAX = 1_000

export default endpoint({
  spec: 'deleteDevices',
  method: 'POST',
  path: '/_matrix/client/v3/delete_devices',
  auth: 'user',
  rateLimit: 'other',
  body: Type.Object({ auth: tAuth, devices: Type.Array(tDeviceId, { maxItems: DEVICES_MAX }) }),
  async handle({ body, caller }, { devices, uia }) {
    return withConsent(uia, { operation: 'deleteDevices', caller, body }, async (consent) => {
      await devices.delete(caller.userNid, body.devices, consent)
      return empty
    })
  },
})
