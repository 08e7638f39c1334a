/** `POST /_matrix/client/v3/keys/signatures/upload`: publish signatures of one's own keys and of others'. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject } from '#kit/schemas.ts'
import { KEYS_BODY_BYTES_MAX } from '../shared/key-schemas.ts'

export default endpoint({
  spec: 'uploadCrossSigningSignatures',
  method: 'POST',
  path: ['/_matrix/client/v3/keys/signatures/upload', '/_matrix/client/unstable/keys/signatures/upload'],
  auth: 'user',
  rateLimit: 'other',
  body: Type.Record(Type.String(), tJsonObject),
  bodyBytesMax: KEYS_BODY_BYTES_MAX,
  async handle({ body, caller }, { keySignatures }) {
    return { failures: await keySignatures.upload(caller, body) }
  },
})
