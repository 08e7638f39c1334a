/** `POST /_matrix/client/v3/account/deactivate`: close the account for ever. */
import { Type } from 'typebox'
import { json } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tAuth } from '../shared/account-schemas.ts'
import { authorizedUser, refuseGuest } from '../shared/authorized-user.ts'

export default endpoint({
  spec: 'deactivateAccount',
  method: 'POST',
  path: '/_matrix/client/v3/account/deactivate',
  auth: 'optional',
  rateLimit: 'other',
  body: Type.Object({
    auth: tAuth,
    id_server: Type.Optional(Type.String()),
    erase: Type.Optional(Type.Boolean()),
  }),

  async handle({ caller, body }, { accounts, uia }) {
    refuseGuest(caller)
    const result = await uia.authorize({ operation: 'deactivateAccount', caller, body })
    if (!result.allowed) return json(401, result.challenge)
    await accounts.deactivate(authorizedUser(caller, result.found), { erase: body.erase ?? false })
    // "This must be success if the homeserver has no identifiers to unbind for the user."
    return { id_server_unbind_result: 'success' }
  },
})
