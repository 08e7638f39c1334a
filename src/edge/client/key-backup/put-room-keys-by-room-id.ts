/** `PUT /_matrix/client/v3/room_keys/keys/{roomId}`: keep keys of a room in the backup. */
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId } from '#kit/schemas.ts'
import { keysOfRoom, tRoomKeyBackup, versionQuery } from '../shared/key-backup-schemas.ts'
import { KEYS_BODY_BYTES_MAX } from '../shared/key-schemas.ts'

export default endpoint({
  spec: 'putRoomKeysByRoomId',
  method: 'PUT',
  path: '/_matrix/client/v3/room_keys/keys/{roomId}',
  auth: 'user',
  rateLimit: 'other',
  params: { roomId: tRoomId },
  query: versionQuery,
  body: tRoomKeyBackup,
  bodyBytesMax: KEYS_BODY_BYTES_MAX,
  handle: ({ params, query, body, caller }, { keyBackup }) =>
    keyBackup.putKeys(caller.userNid, query.version, keysOfRoom(params.roomId, body)),
})
