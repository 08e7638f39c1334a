/** `POST /_matrix/client/v3/room_keys/version`: begin a new key backup. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject } from '#kit/schemas.ts'
import { tBackupAlgorithm } from '../shared/key-backup-schemas.ts'

export default endpoint({
  spec: 'postRoomKeysVersion',
  method: 'POST',
  path: '/_matrix/client/v3/room_keys/version',
  auth: 'user',
  rateLimit: 'other',
  body: Type.Object({ algorithm: tBackupAlgorithm, auth_data: tJsonObject }),
  async handle({ body, caller }, { keyBackup }) {
    return { version: await keyBackup.create(caller.userNid, body.algorithm, body.auth_data) }
  },
})
