/** `DELETE /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}`: take a key out of a backup. */
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId } from '#kit/schemas.ts'
import { tSessionId, versionQuery } from '../shared/key-backup-schemas.ts'

export default endpoint({
  spec: 'deleteRoomKeyBySessionId',
  method: 'DELETE',
  path: '/_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}',
  auth: 'user',
  rateLimit: 'other',
  params: { roomId: tRoomId, sessionId: tSessionId },
  query: versionQuery,
  handle: ({ params, query, caller }, { keyBackup }) => keyBackup.deleteKeys(caller.userNid, query.version, params),
})
