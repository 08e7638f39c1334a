/** `POST /_matrix/client/v3/register`: make an account, or a guest's, or an ordinary one of a guest's. */
import { Type } from 'typebox'
import { missingParam } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tDeviceId } from '#kit/schemas.ts'
import type { Registered } from '#services/accounts/registration.ts'
import { tAuth, tDeviceName } from '../shared/account-schemas.ts'
import { tokensAnswer } from '../shared/session-answer.ts'
import { withConsent } from '../shared/with-consent.ts'

export default endpoint({
  spec: 'register',
  method: 'POST',
  path: '/_matrix/client/v3/register',
  auth: 'none',
  rateLimit: 'registration',
  query: { kind: Type.Optional(Type.Union([Type.Literal('guest'), Type.Literal('user')])) },
  body: Type.Object({
    auth: tAuth,
    username: Type.Optional(Type.String()),
    password: Type.Optional(Type.String()),
    device_id: Type.Optional(tDeviceId),
    initial_device_display_name: Type.Optional(tDeviceName),
    inhibit_login: Type.Optional(Type.Boolean()),
    refresh_token: Type.Optional(Type.Boolean()),
    guest_access_token: Type.Optional(Type.String()),
  }),

  async handle({ query, body, ip }, { registration, sessions, uia, config }) {
    const displayName = body.initial_device_display_name ?? null
    if (query.kind === 'guest') return answer(await registration.registerGuest(displayName), config.server_name)
    registration.assertOpen()
    const token = body.guest_access_token
    const guest = token === undefined ? null : await sessions.authenticate(token, { ip })
    if (guest !== null) registration.assertNameOf(guest, body.username ?? null)
    else if (body.username !== undefined) await registration.assertAvailable(body.username)
    // A session is not to be spent on a request that can't succeed.
    if (body.auth !== undefined && body.username !== undefined && body.password === undefined) {
      throw missingParam("'password' is missing")
    }
    const deviceId = body.device_id ?? null
    const request = {
      username: body.username ?? null,
      password: body.password ?? null,
      admin: false,
      session: body.inhibit_login === true ? null : { deviceId, displayName, refreshable: body.refresh_token ?? false },
    }
    return withConsent(uia, { operation: 'register', caller: null, body }, async (consent) => {
      const registered =
        guest === null ? registration.register(request, consent) : registration.upgradeGuest(guest, request, consent)
      return answer(await registered, config.server_name)
    })
  },
})

function answer({ userId, session }: Registered, serverName: string): object {
  return {
    user_id: userId,
    home_server: serverName,
    ...(session !== null && { device_id: session.deviceId, ...tokensAnswer(session) }),
  }
}
