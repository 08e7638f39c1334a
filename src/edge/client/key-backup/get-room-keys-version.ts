/** `GET /_matrix/client/v3/room_keys/version/{version}`: one of the key backups. */
import { endpoint } from '#kit/endpoint.ts'
import { tText } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getRoomKeysVersion',
  method: 'GET',
  path: '/_matrix/client/v3/room_keys/version/{version}',
  auth: 'user',
  rateLimit: 'other',
  params: { version: tText() },
  handle: ({ params, caller }, { keyBackup }) => keyBackup.get(caller.userNid, params.version),
})
