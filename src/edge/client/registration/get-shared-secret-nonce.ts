/** `GET /_synapse/admin/v1/register`: a nonce for registration with the shared secret. */
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: null,
  method: 'GET',
  path: '/_synapse/admin/v1/register',
  auth: 'none',
  rateLimit: 'other',
  handle: (_input, { sharedSecretRegistration }) => ({ nonce: sharedSecretRegistration.nonce() }),
})
