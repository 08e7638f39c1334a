/** `POST /_matrix/client/v3/account/deactivate`: close the account for ever. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tAuth } from '../shared/account-schemas.ts'
import { authorizedUser, refuseGuest } from '../shared/authorized-user.ts'
import { countAsLogin, withConsent } from '../shared/with-consent.ts'

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

  async handle({ caller, body, ip }, { accounts, limiter, uia }) {
    refuseGuest(caller)
    countAsLogin(limiter, { caller, body, ip })
    return withConsent(uia, { operation: 'deactivateAccount', caller, body }, async (consent) => {
      await accounts.deactivate(authorizedUser(caller, consent.found), { erase: body.erase ?? false }, consent)
      // "This must be success if the homeserver has no identifiers to unbind for the user."
      return { id_server_unbind_result: 'success' }
    })
  },
})
