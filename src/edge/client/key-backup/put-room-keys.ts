/** `PUT /_matrix/client/v3/room_keys/keys`: keep keys in the backup. */
import { endpoint } from '#kit/endpoint.ts'
import { keysOfRoom, tAllKeyBackups, versionQuery } from '../shared/key-backup-schemas.ts'
import { KEYS_BODY_BYTES_MAX } from '../shared/key-schemas.ts'

export default endpoint({
  spec: 'putRoomKeys',
  method: 'PUT',
  path: '/_matrix/client/v3/room_keys/keys',
  auth: 'user',
  rateLimit: 'other',
  query: versionQuery,
  body: tAllKeyBackups,
  bodyBytesMax: KEYS_BODY_BYTES_MAX,
  handle({ query, body, caller }, { keyBackup }) {
    const keys = Object.entries(body.rooms).flatMap(([roomId, backup]) => keysOfRoom(roomId, backup))
    return keyBackup.putKeys(caller.userNid, query.version, keys)
  },
})
