/** `GET /.well-known/matrix/server`: where other servers find the homeserver behind a server name. */
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: 'getWellKnown',
  method: 'GET',
  path: '/.well-known/matrix/server',
  auth: 'none',
  rateLimit: false,
  handle: (_input, { config }) => ({ 'm.server': serverAddress(config.public_baseurl) }),
})

/** Host and port; without a port another server would try 8448. */
function serverAddress(baseUrl: string): string {
  const { hostname, port, protocol } = new URL(baseUrl)
  return `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`
}
