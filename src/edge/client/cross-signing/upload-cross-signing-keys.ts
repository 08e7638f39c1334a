/** `POST /_matrix/client/v3/keys/device_signing/upload`: publish cross-signing keys. */
import { Type } from 'typebox'
import type { JsonObject } from '#core/json/value.ts'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject } from '#kit/schemas.ts'
import type { CrossSigningUpload } from '#services/e2ee/cross-signing.ts'
import { tAuth } from '../shared/account-schemas.ts'
import { withConsent } from '../shared/with-consent.ts'

const tKey = Type.Optional(Type.Union([tJsonObject, Type.Null()]))

export default endpoint({
  spec: 'uploadCrossSigningKeys',
  method: 'POST',
  path: ['/_matrix/client/v3/keys/device_signing/upload', '/_matrix/client/unstable/keys/device_signing/upload'],
  auth: 'user',
  rateLimit: 'other',
  body: Type.Object({ auth: tAuth, master_key: tKey, self_signing_key: tKey, user_signing_key: tKey }),
  async handle({ body, caller }, { crossSigning, uia }) {
    const keys = uploadOf(body.master_key, body.self_signing_key, body.user_signing_key)
    // "User-Interactive Authentication MUST be performed", except for the first keys and for known ones.
    if (await crossSigning.upload(caller, keys, null)) return empty
    return withConsent(uia, { operation: 'uploadCrossSigningKeys', caller, body }, async (consent) => {
      await crossSigning.upload(caller, keys, consent)
      return empty
    })
  },
})

type Given = JsonObject | null | undefined

function uploadOf(master: Given, selfSigning: Given, userSigning: Given): CrossSigningUpload {
  return new Map([
    ...(master == null ? [] : [['master', master] as const]),
    ...(selfSigning == null ? [] : [['self_signing', selfSigning] as const]),
    ...(userSigning == null ? [] : [['user_signing', userSigning] as const]),
  ])
}
