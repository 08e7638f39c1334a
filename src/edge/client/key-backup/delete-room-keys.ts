/** `DELETE /_matrix/client/v3/room_keys/keys`: take all keys out of a backup. */
import { endpoint } from '#kit/endpoint.ts'
import { versionQuery } from '../shared/key-backup-schemas.ts'

export default endpoint({
  spec: 'deleteRoomKeys',
  method: 'DELETE',
  path: '/_matrix/client/v3/room_keys/keys',
  auth: 'user',
  rateLimit: 'other',
  query: versionQuery,
  handle: ({ query, caller }, { keyBackup }) => keyBackup.deleteKeys(caller.userNid, query.version, {}),
})
