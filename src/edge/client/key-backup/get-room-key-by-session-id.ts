/** `GET /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}`: a key of a backup. */
import { notFound } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId } from '#kit/schemas.ts'
import { keyBackupData, tSessionId, versionQuery } from '../shared/key-backup-schemas.ts'

export default endpoint({
  spec: 'getRoomKeyBySessionId',
  method: 'GET',
  path: '/_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}',
  auth: 'user',
  rateLimit: 'other',
  params: { roomId: tRoomId, sessionId: tSessionId },
  query: versionQuery,
  async handle({ params, query, caller }, { keyBackup }) {
    const [key] = await keyBackup.keys(caller.userNid, query.version, params)
    if (key === undefined) throw notFound('Key not found.')
    return keyBackupData(key)
  },
})
