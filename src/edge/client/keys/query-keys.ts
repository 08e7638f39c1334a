/** `POST /_matrix/client/v3/keys/query`: the devices and identity keys of users. */
import { Type } from 'typebox'
import { invalidParam } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tDeviceId } from '#kit/schemas.ts'
import { byUserId, KEYS_BODY_BYTES_MAX, remoteTimeout, tKeysTimeout } from '../shared/key-schemas.ts'

/** Users in one request; clients ask for some hundreds at a time. */
const USERS_MAX = 10_000

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
  handle({ body, caller }, { keyQueries }) {
    const wanted = byUserId(body.device_keys)
    if (wanted.size > USERS_MAX) throw invalidParam(`At most ${USERS_MAX} users can be asked for at once`)
    return keyQueries.query(caller, wanted, remoteTimeout(body.timeout))
  },
})
