/** `DELETE /_matrix/client/v3/room_keys/version/{version}`: delete a key backup. */
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tText } from '#kit/schemas.ts'

export default endpoint({
  spec: 'deleteRoomKeysVersion',
  method: 'DELETE',
  path: '/_matrix/client/v3/room_keys/version/{version}',
  auth: 'user',
  rateLimit: 'other',
  params: { version: tText() },
  async handle({ params, caller }, { keyBackup }) {
    await keyBackup.delete(caller.userNid, params.version)
    return empty
  },
})
