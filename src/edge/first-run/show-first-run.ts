/** `GET /_hearth/first-run/{token}`: the page where the first administrator is made. */
import { Type } from 'typebox'
import { MatrixError } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'
import { formPage, gonePage } from './shared/pages.ts'

export default endpoint({
  spec: null,
  method: 'GET',
  path: '/_hearth/first-run/{token}',
  auth: 'none',
  rateLimit: 'other',
  params: { token: Type.String() },
  async handle({ params }, { firstRun, config }) {
    try {
      await firstRun.check(params.token)
    } catch (error) {
      if (error instanceof MatrixError) return gonePage()
      throw error
    }
    return formPage(config.server_name, { name: '', problem: null })
  },
})
