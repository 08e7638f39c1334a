/**
 * `POST /_synapse/admin/v1/register`: make an account by a `mac`, the HMAC-SHA1 under the shared secret over nonce,
 * user name, password and "admin" or "notadmin", separated by NUL. Tools of the ecosystem register users this way.
 */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tokensAnswer } from '../shared/session-answer.ts'

export default endpoint({
  spec: null,
  method: 'POST',
  path: '/_synapse/admin/v1/register',
  auth: 'none',
  rateLimit: 'other',
  body: Type.Object({
    nonce: Type.String(),
    username: Type.String(),
    password: Type.String(),
    mac: Type.String(),
    admin: Type.Optional(Type.Boolean()),
    inhibit_login: Type.Optional(Type.Boolean()),
  }),

  async handle({ body }, { sharedSecretRegistration, config }) {
    const { userId, session } = await sharedSecretRegistration.register({
      nonce: body.nonce,
      username: body.username,
      password: body.password,
      admin: body.admin ?? false,
      mac: body.mac,
      inhibitLogin: body.inhibit_login ?? false,
    })
    return {
      user_id: userId,
      home_server: config.server_name,
      ...(session !== null && { device_id: session.deviceId, ...tokensAnswer(session) }),
    }
  },
})
