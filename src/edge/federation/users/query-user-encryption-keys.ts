/** `POST /_matrix/federation/v1/user/keys/query`: keys of local users' devices. */
import { Type } from 'typebox'
import { isUserId, type UserId } from '#core/ids.ts'
import { invalidParam } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'

/** Users in one request. */
const USERS_MAX = 10_000

export default endpoint({
  spec: 'queryUserEncryptionKeys',
  method: 'POST',
  path: '/_matrix/federation/v1/user/keys/query',
  auth: 'server',
  rateLimit: false,
  body: Type.Object({ device_keys: Type.Record(Type.String(), Type.Array(Type.String())) }),

  handle({ body }, { federation }) {
    if (Object.keys(body.device_keys).length > USERS_MAX) {
      throw invalidParam(`At most ${USERS_MAX} users can be asked for at once`)
    }
    const wanted = Object.entries(body.device_keys).filter((entry): entry is [UserId, string[]] => {
      return isUserId(entry[0]) && entry[0].isWellFormed()
    })
    return federation.reads.userReads.deviceKeys(new Map(wanted))
  },
})
