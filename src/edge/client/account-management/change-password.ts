/** `POST /_matrix/client/v3/account/password`: set a new password. */
import { Type } from 'typebox'
import { badJson, missingParam } from '#core/matrix-error.ts'
import { empty } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tAuth } from '../shared/account-schemas.ts'
import { authorizedUser, refuseGuest } from '../shared/authorized-user.ts'
import { countAsLogin, withConsent } from '../shared/with-consent.ts'

export default endpoint({
  spec: 'changePassword',
  method: 'POST',
  path: '/_matrix/client/v3/account/password',
  auth: 'optional',
  rateLimit: 'other',
  body: Type.Object({
    auth: tAuth,
    new_password: Type.Optional(Type.String()),
    logout_devices: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  }),

  async handle({ caller, body, ip }, { accounts, limiter, uia }) {
    refuseGuest(caller)
    // Elsewhere null counts as absent; nobody means by it that all devices be logged out.
    if (body.logout_devices === null) throw badJson("'logout_devices' must be true or false")
    countAsLogin(limiter, { caller, body, ip })
    return withConsent(uia, { operation: 'changePassword', caller, body }, async (consent) => {
      // Required by the schema, but clients ask for the flows without it.
      if (body.new_password === undefined) throw missingParam("'new_password' is missing")
      // "Whether the user's other access tokens, and their associated devices, should be revoked": true unless said.
      const logoutDevices = body.logout_devices ?? true
      const options = { logoutDevices, but: caller?.deviceId ?? null }
      await accounts.changePassword(authorizedUser(caller, consent.found), body.new_password, options, consent)
      return empty
    })
  },
})
