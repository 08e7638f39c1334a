/** `DELETE /_matrix/client/v3/room_keys/keys/{roomId}`: take the keys of a room out of a backup. */
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId } from '#kit/schemas.ts'
import { versionQuery } from '../shared/key-backup-schemas.ts'

export default endpoint({
  spec: 'deleteRoomKeysByRoomId',
  method: 'DELETE',
  path: '/_matrix/client/v3/room_keys/keys/{roomId}',
  auth: 'user',
  rateLimit: 'other',
  params: { roomId: tRoomId },
  query: versionQuery,
  handle: ({ params, query, caller }, { keyBackup }) => keyBackup.deleteKeys(caller.userNid, query.version, params),
})
