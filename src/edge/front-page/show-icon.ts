/** `GET /favicon.ico`: browsers ask for it wherever they are. */
import { Answer } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { ICON } from '../shared/page.ts'

export default endpoint({
  spec: null,
  method: 'GET',
  path: '/favicon.ico',
  auth: 'none',
  rateLimit: 'other',
  handle: () =>
    new Answer(
      200,
      {
        'content-type': 'image/svg+xml',
        'cache-control': 'public, max-age=86400',
        'x-content-type-options': 'nosniff',
      },
      ICON,
    ),
})
