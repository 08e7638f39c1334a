/** `GET /metrics`: numbers for Prometheus, on listeners with the resource `metrics` only. */
import { text } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: null,
  method: 'GET',
  path: '/metrics',
  auth: 'none',
  rateLimit: false,
  handle: async (_input, { metrics }) => text(await metrics.text(), { contentType: metrics.contentType }),
})
