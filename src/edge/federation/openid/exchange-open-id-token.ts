/** `GET /_matrix/federation/v1/openid/userinfo`: whose OpenID token it is. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'exchangeOpenIdToken',
  method: 'GET',
  path: '/_matrix/federation/v1/openid/userinfo',
  auth: 'none',
  rateLimit: 'other',
  query: { access_token: Type.String() },

  async handle({ query }, { openIdTokens }) {
    return { sub: await openIdTokens.userOf(query.access_token) }
  },
})
