import { forbidden } from '#core/matrix-error.ts'
import type { RendezvousSession } from '#services/rendezvous/rendezvous-sessions.ts'

/** Where the sessions of MSC4108 are. */
export const MSC4108_PATH = '/_matrix/client/unstable/org.matrix.msc4108/rendezvous'
/** Where the sessions of MSC4388 are. */
export const MSC4388_PATH = '/_matrix/client/unstable/io.element.msc4388/rendezvous'

/** The header by which browsers tell that somebody opened a link. */
export const FETCH_MODE = 'sec-fetch-mode'

/** "To help mitigate the threat of unsafe content": nobody is led to what a stranger wrote. @throws M_FORBIDDEN */
export function refuseNavigation(mode: string | undefined): void {
  if (mode === 'navigate') throw forbidden('This is no page to be opened')
}

/** "Common HTTP response headers" of MSC4108. */
export function sessionHeaders(session: Omit<RendezvousSession, 'data'>): Record<string, string> {
  return {
    etag: `"${session.sequenceToken}"`,
    expires: new Date(session.expiresTs).toUTCString(),
    'last-modified': new Date(session.modifiedTs).toUTCString(),
    'cache-control': 'no-store',
    pragma: 'no-cache',
    'access-control-expose-headers': 'ETag',
    'x-content-type-options': 'nosniff',
  }
}

/** The token of an ETag; null for one that is weak, or more than one. Some proxies take the quotes off. */
export function tokenOfEtag(etag: string): string | null {
  const [, quoted, bare] = /^(?:"([^",]+)"|([^",/]+))$/.exec(etag.trim()) ?? []
  return quoted ?? bare ?? null
}
