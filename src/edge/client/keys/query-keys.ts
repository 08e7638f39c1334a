/** `POST /_matrix/client/v3/keys/query`: the devices and identity keys of users. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tDeviceId } from '#kit/schemas.ts'
import { byUserId, KEYS_BODY_BYTES_MAX, remoteTimeout, tKeysTimeout } from '../shared/key-schemas.ts'

export default endpoint({
  spec: 'queryKeys',
  method: 'POST',
  path: '/_matrix/client/v3/keys/query',
  auth: 'user-or-guest',
  rateLimit: 'keyRequest',
  body: Type.Object({
    device_keys: Type.Record(Type.String(), Type.Array(tDeviceId)),
    timeout: tKeysTimeout,
  }),
  bodyBytesMax: KEYS_BODY_BYTES_MAX,
  handle: ({ body, caller }, { keyQueries }) =>
    keyQueries.query(caller, byUserId(body.device_keys), remoteTimeout(body.timeout)),
})
