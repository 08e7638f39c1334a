/** `GET /_matrix/client/v3/profile/{userId}`: all fields of a profile. */
import { limitRemoteLookups } from '#edge/client/shared/remote-lookups.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tUserId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getUserProfile',
  method: 'GET',
  path: '/_matrix/client/v3/profile/{userId}',
  auth: 'none',
  rateLimit: false,
  params: { userId: tUserId },

  handle({ params: { userId }, ip }, services) {
    limitRemoteLookups(userId, ip, services)
    return services.federation.reads.remoteProfiles.get(userId)
  },
})
