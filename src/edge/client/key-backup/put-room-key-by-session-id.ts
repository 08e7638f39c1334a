/** `PUT /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}`: keep a key in the backup. */
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId } from '#kit/schemas.ts'
import { backedUpKey, tKeyBackupData, tSessionId, versionQuery } from '../shared/key-backup-schemas.ts'

export default endpoint({
  spec: 'putRoomKeyBySessionId',
  method: 'PUT',
  path: '/_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}',
  auth: 'user',
  rateLimit: 'other',
  params: { roomId: tRoomId, sessionId: tSessionId },
  query: versionQuery,
  body: tKeyBackupData,
  handle({ params, query, body, caller }, { keyBackup }) {
    const key = backedUpKey(params.roomId, params.sessionId, body)
    return keyBackup.putKeys(caller.userNid, query.version, [key])
  },
})
