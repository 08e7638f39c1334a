/** `GET /_matrix/client/v3/profile/{userId}/{keyName}`: one field of a profile. */
import { Type } from 'typebox'
import { limitRemoteLookups } from '#edge/client/shared/remote-lookups.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tUserId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getProfileField',
  method: 'GET',
  path: '/_matrix/client/v3/profile/{userId}/{keyName}',
  auth: 'none',
  rateLimit: false,
  params: { userId: tUserId, keyName: Type.String() },

  async handle({ params: { userId, keyName }, ip }, services) {
    limitRemoteLookups(userId, ip, services)
    return { [keyName]: await services.federation.reads.remoteProfiles.getField(userId, keyName) }
  },
})
