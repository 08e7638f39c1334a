import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'

/**
 * What TLS to other servers believes: the authorities of Node and of the system, and those of `extra` (PEM, perhaps
 * several). Costs some milliseconds, so it is made once.
 */
export function trustedAuthorities(extra: string | null): SecureContext {
  const authorities = new Set([...getCACertificates('default'), ...getCACertificates('system')])
  if (extra !== null) authorities.add(extra)
  return createSecureContext({ ca: [...authorities], minVersion: 'TLSv1.2' })
}
