/** `GET /_matrix/client/v3/account/whoami`: whose access token this is. */
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'getTokenOwner',
  method: 'GET',
  path: '/_matrix/client/v3/account/whoami',
  auth: 'user-or-guest',
  rateLimit: 'other',
  handle: ({ caller }) => ({
    user_id: caller.userId,
    ...(caller.deviceId !== null && { device_id: caller.deviceId }),
    is_guest: caller.isGuest,
  }),
})
