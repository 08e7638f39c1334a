/** `GET /_hearth/first-run/{token}`: the page where the first administrator is created. */
import { Type } from 'typebox'
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
    const state = await firstRun.state(params.token)
    if (state !== 'open') return gonePage(state === 'over', config.public_baseurl)
    return formPage(config.server_name, firstRun.nonce(), { name: '', keep: false, problem: null })
  },
})
