import type { LookupAddress } from 'node:dns'
import { ExpiringCache } from '#services/federation/discovery/expiring-cache.ts'
import type { LookupAll } from '#services/federation/transport/tls-connection.ts'

const NAMES_MAX = 5_000
const FOUND_MS = 60_000
const NOT_FOUND_MS = 10_000

type Answer = { readonly addresses: readonly LookupAddress[] } | { readonly error: Error }

/** Remembers answers for a minute, and has each name looked up once at a time, however many wait for it. */
export function cachedLookup(lookup: LookupAll, clock: () => number): LookupAll {
  const cache = new ExpiringCache<Answer>(NAMES_MAX, clock)
  return async (host) => {
    const answer = await cache.get(host, async () => {
      try {
        const addresses = await lookup(host)
        return { value: { addresses }, untilTs: clock() + FOUND_MS }
      } catch (error) {
        return { value: { error: error as Error }, untilTs: clock() + NOT_FOUND_MS }
      }
    })
    if ('error' in answer) throw answer.error
    return answer.addresses
  }
}
