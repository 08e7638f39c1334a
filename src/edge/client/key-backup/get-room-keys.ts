/** `GET /_matrix/client/v3/room_keys/keys`: all keys of a backup. */
import { endpoint } from '#kit/endpoint.ts'
import { roomKeyBackup, versionQuery } from '../shared/key-backup-schemas.ts'

export default endpoint({
  spec: 'getRoomKeys',
  method: 'GET',
  path: '/_matrix/client/v3/room_keys/keys',
  auth: 'user',
  rateLimit: 'other',
  query: versionQuery,
  async handle({ query, caller }, { keyBackup }) {
    const keys = await keyBackup.keys(caller.userNid, query.version, {})
    const rooms = Map.groupBy(keys, ({ roomId }) => roomId)
    return { rooms: Object.fromEntries([...rooms].map(([roomId, ofRoom]) => [roomId, roomKeyBackup(ofRoom)])) }
  },
})
