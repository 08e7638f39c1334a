/** `POST /_hearth/first-run/{token}`: creates the first administrator from the page's form. */
import { Type } from 'typebox'
import { MatrixError } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'
import { donePage, type Field, formPage, gonePage } from './shared/pages.ts'

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
    keep: Type.Optional(Type.String()),
    name: Type.Optional(Type.String()),
    /** The name in small letters, if the page has shown it. */
    shown: Type.Optional(Type.String()),
    password: Type.Optional(Type.String()),
    again: Type.Optional(Type.String()),
  }),

  async handle({ params, body }, { firstRun, config }) {
    const { keep, name: typed = '', shown = '', password = '', again = '' } = body
    const name = typed.trim()
    const refuse = (field: Field, text: string, shownName = name) =>
      formPage(config.server_name, firstRun.nonce(), {
        name: shownName,
        keep: keep !== undefined,
        problem: { field, text },
      })
    const state = await firstRun.state(params.token)
    if (state !== 'open') return gonePage(state === 'over', config.public_baseurl)
    if (keep === undefined) return refuse('keep', "Please confirm the server's name first.")
    const lower = name.toLowerCase()
    if (lower !== name && shown !== lower) {
      return refuse('name', `User names have no capital letters: yours would be "${lower}". Is that right?`, lower)
    }
    try {
      if (password !== again) return refuse('again', 'The two passwords are not the same.')
      const { userId } = await firstRun.createAdministrator(params.token, name, password)
      return donePage(userId, config.public_baseurl)
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error
      // Somebody else was faster.
      if (error.errcode === 'M_FORBIDDEN') return gonePage(true, config.public_baseurl)
      return refuse(error.errcode === 'M_WEAK_PASSWORD' ? 'password' : 'name', `${error.message}.`)
    }
  },
})
