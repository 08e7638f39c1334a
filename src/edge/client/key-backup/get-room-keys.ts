/** `GET /_matrix/client/v3/room_keys/keys`: all keys of a backup. */
import { jsonInPieces } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { roomsText, versionQuery } from '../shared/key-backup-schemas.ts'

export default endpoint({
  spec: 'getRoomKeys',
  method: 'GET',
  path: '/_matrix/client/v3/room_keys/keys',
  auth: 'user',
  rateLimit: 'other',
  query: versionQuery,
  async handle({ query, caller }, { keyBackup }) {
    return jsonInPieces(roomsText(await keyBackup.pages(caller.userNid, query.version)))
  },
})
