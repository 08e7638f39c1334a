/** `PUT /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device`: keep a device for later (MSC3814). */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tDeviceId, tJsonObject } from '#kit/schemas.ts'
import { tDeviceName } from '../shared/account-schemas.ts'
import { KEYS_BODY_BYTES_MAX } from '../shared/key-schemas.ts'

const tKeys = Type.Optional(Type.Union([tJsonObject, Type.Null()]))

export default endpoint({
  spec: null,
  method: 'PUT',
  path: '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device',
  auth: 'user',
  rateLimit: 'other',
  body: Type.Object({
    device_id: tDeviceId,
    device_data: tJsonObject,
    initial_device_display_name: Type.Optional(Type.Union([tDeviceName, Type.Null()])),
    device_keys: tJsonObject,
    one_time_keys: tKeys,
    fallback_keys: tKeys,
  }),
  numbers: 'lossless',
  bodyBytesMax: KEYS_BODY_BYTES_MAX,
  async handle({ body, caller }, { dehydratedDevices }) {
    await dehydratedDevices.put(caller, {
      deviceId: body.device_id,
      data: body.device_data,
      displayName: body.initial_device_display_name ?? null,
      keys: {
        deviceKeys: body.device_keys,
        oneTimeKeys: body.one_time_keys ?? {},
        fallbackKeys: body.fallback_keys ?? {},
      },
    })
    return { device_id: body.device_id }
  },
})
