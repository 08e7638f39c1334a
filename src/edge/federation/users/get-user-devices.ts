/** `GET /_matrix/federation/v1/user/devices/{userId}`: a local user's devices. */
import { endpoint } from '#kit/endpoint.ts'
import { tUserId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getUserDevices',
  method: 'GET',
  path: '/_matrix/federation/v1/user/devices/{userId}',
  auth: 'server',
  rateLimit: false,
  params: { userId: tUserId },
  handle: ({ params }, { federation }) => federation.reads.userReads.devices(params.userId),
})
