/** `GET /_matrix/client/v3/room_keys/keys/{roomId}`: the keys of a room in a backup. */
import { jsonInPieces } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId } from '#kit/schemas.ts'
import { roomText, versionQuery } from '../shared/key-backup-schemas.ts'

export default endpoint({
  spec: 'getRoomKeysByRoomId',
  method: 'GET',
  path: '/_matrix/client/v3/room_keys/keys/{roomId}',
  auth: 'user',
  rateLimit: 'other',
  params: { roomId: tRoomId },
  query: versionQuery,
  async handle({ params, query, caller }, { keyBackup }) {
    return jsonInPieces(roomText(await keyBackup.pages(caller.userNid, query.version, params.roomId)))
  },
})
