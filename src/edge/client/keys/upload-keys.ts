/** `POST /_matrix/client/v3/keys/upload`: publish the keys of one's device. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject } from '#kit/schemas.ts'
import { KEYS_BODY_BYTES_MAX } from '../shared/key-schemas.ts'

/** Some clients write null for what they leave out. */
const tKeys = Type.Optional(Type.Union([tJsonObject, Type.Null()]))

export default endpoint({
  spec: 'uploadKeys',
  method: 'POST',
  path: '/_matrix/client/v3/keys/upload',
  auth: 'user-or-guest',
  rateLimit: 'keyRequest',
  body: Type.Object({ device_keys: tKeys, one_time_keys: tKeys, fallback_keys: tKeys }),
  bodyBytesMax: KEYS_BODY_BYTES_MAX,
  async handle({ body, caller }, { deviceKeys }) {
    const counts = await deviceKeys.upload(caller, {
      deviceKeys: body.device_keys ?? null,
      oneTimeKeys: body.one_time_keys ?? {},
      fallbackKeys: body.fallback_keys ?? {},
    })
    return { one_time_key_counts: counts }
  },
})
