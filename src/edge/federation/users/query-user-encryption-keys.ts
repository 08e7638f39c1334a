/** `POST /_matrix/federation/v1/user/keys/query`: keys of local users' devices; none has any yet. */
import { Type } from 'typebox'
import type { UserId } from '#core/ids.ts'
import { isUserId } from '#core/ids.ts'
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'queryUserEncryptionKeys',
  method: 'POST',
  path: '/_matrix/federation/v1/user/keys/query',
  auth: 'server',
  rateLimit: false,
  body: Type.Object({ device_keys: Type.Record(Type.String(), Type.Array(Type.String())) }),

  async handle({ body }, { federation }) {
    const userIds = Object.keys(body.device_keys).filter((userId): userId is UserId => isUserId(userId))
    return { device_keys: await federation.reads.userReads.deviceKeys(userIds) }
  },
})
