/** `POST /_hearth/first-run/{token}`: makes the first administrator from the page's form. */
import { Type } from 'typebox'
import { MatrixError } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'
import { donePage, formPage, gonePage } from './shared/pages.ts'

const FORM_BYTES_MAX = 16_384

export default endpoint({
  spec: null,
  method: 'POST',
  path: '/_hearth/first-run/{token}',
  auth: 'none',
  rateLimit: 'other',
  params: { token: Type.String() },
  bodyFormat: 'form',
  bodyBytesMax: FORM_BYTES_MAX,
  body: Type.Object({
    name: Type.Optional(Type.String()),
    password: Type.Optional(Type.String()),
    again: Type.Optional(Type.String()),
  }),

  async handle({ params, body }, { firstRun, config }) {
    const { name = '', password = '', again = '' } = body
    const form = (problem: string) => formPage(config.server_name, { name, problem })
    try {
      await firstRun.check(params.token)
      if (password !== again) return form('The two passwords are not the same.')
      const { userId } = await firstRun.createAdministrator(params.token, name, password)
      return donePage(userId, config.public_baseurl)
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error
      return error.errcode === 'M_FORBIDDEN' ? gonePage() : form(`${error.message}.`)
    }
  },
})
