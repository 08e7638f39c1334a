/** `PUT /_matrix/client/v3/room_keys/version/{version}`: give a key backup other data about its key. */
import { Type } from 'typebox'
import { invalidParam } from '#core/matrix-error.ts'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject, tText } from '#kit/schemas.ts'
import { tBackupAlgorithm } from '../shared/key-backup-schemas.ts'

export default endpoint({
  spec: 'putRoomKeysVersion',
  method: 'PUT',
  path: '/_matrix/client/v3/room_keys/version/{version}',
  auth: 'user',
  rateLimit: 'other',
  params: { version: tText() },
  body: Type.Object({
    algorithm: tBackupAlgorithm,
    auth_data: tJsonObject,
    version: Type.Optional(Type.String()),
  }),
  async handle({ params: { version }, body, caller }, { keyBackup }) {
    // "If present, must be the same as the version in the path parameter."
    if (body.version !== undefined && body.version !== version) throw invalidParam('The versions do not match')
    await keyBackup.setAuthData(caller.userNid, version, body.algorithm, body.auth_data)
    return empty
  },
})
