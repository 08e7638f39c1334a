/** `POST /_matrix/client/v3/user/{userId}/openid/request_token`: a token that proves to others who the user is. */
import { Type } from 'typebox'
import { assertOwn } from '#edge/client/shared/own-user.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tUserId } from '#kit/schemas.ts'
import { OPENID_TOKEN_SECONDS } from '#services/accounts/openid-tokens.ts'

export default endpoint({
  spec: 'requestOpenIdToken',
  method: 'POST',
  path: '/_matrix/client/v3/user/{userId}/openid/request_token',
  auth: 'user',
  rateLimit: 'other',
  params: { userId: tUserId },
  body: Type.Object({}),

  handle({ params, caller }, { openIdTokens, config }) {
    assertOwn(caller, params.userId)
    return {
      access_token: openIdTokens.issue(caller.userId),
      token_type: 'Bearer',
      matrix_server_name: config.server_name,
      expires_in: OPENID_TOKEN_SECONDS,
    }
  },
})
