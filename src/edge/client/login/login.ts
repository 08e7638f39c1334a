/** `POST /_matrix/client/v3/login`: exchange a password for an access token. */
import { Type } from 'typebox'
import { MatrixError, missingParam } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tDeviceId, tJsonObject } from '#kit/schemas.ts'
import { typedName } from '#services/accounts/user-identifier.ts'
import { tDeviceName } from '../shared/account-schemas.ts'
import { tokensAnswer } from '../shared/session-answer.ts'

export default endpoint({
  spec: 'login',
  method: 'POST',
  path: '/_matrix/client/v3/login',
  auth: 'none',
  rateLimit: 'loginPerAddress',
  body: Type.Object({
    type: Type.String(),
    identifier: Type.Optional(tJsonObject),
    user: Type.Optional(Type.String()),
    password: Type.Optional(Type.String()),
    device_id: Type.Optional(tDeviceId),
    initial_device_display_name: Type.Optional(tDeviceName),
    refresh_token: Type.Optional(Type.Boolean()),
  }),

  async handle({ body }, { login, config }) {
    if (body.type !== 'm.login.password') throw new MatrixError('M_UNKNOWN', 'Unknown login type', { status: 400 })
    const name = typedName(body)
    if (name === null) throw missingParam("'identifier' is missing")
    if (body.password === undefined) throw missingParam("'password' is missing")
    const session = await login.withPassword({
      name,
      password: body.password,
      deviceId: body.device_id ?? null,
      displayName: body.initial_device_display_name ?? null,
      refreshable: body.refresh_token ?? false,
    })
    return {
      user_id: session.userId,
      device_id: session.deviceId,
      // Deprecated; the oldest clients read it.
      home_server: config.server_name,
      ...tokensAnswer(session),
    }
  },
})
