/** `GET /_matrix/client/v3/room_keys/version`: the current key backup. */
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'getRoomKeysVersionCurrent',
  method: 'GET',
  path: '/_matrix/client/v3/room_keys/version',
  auth: 'user',
  rateLimit: 'other',
  handle: ({ caller }, { keyBackup }) => keyBackup.current(caller.userNid),
})
