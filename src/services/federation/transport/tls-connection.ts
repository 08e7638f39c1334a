/** How a TLS connection to another server comes about: the one place where addresses and certificates are checked. */
import type { LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { checkServerIdentity, connect, type SecureContext, type TLSSocket } from 'node:tls'
import type { PeerAddress } from '#services/federation/discovery/peer-address.ts'
import type { AddressPolicy } from '#services/federation/transport/address-policy.ts'

/** No connection was made, so nothing was sent. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError'
}

/** All addresses of a name. Rejects where it has none. */
export type LookupAll = (host: string) => Promise<readonly LookupAddress[]>

export type ConnectionRules = {
  readonly mayConnect: AddressPolicy
  readonly lookup: LookupAll
  /** Whose certificates are believed. */
  readonly secureContext: () => SecureContext
  readonly connectTimeoutMs: number
}

/**
 * Connects, and calls back with the socket once the other side has proved to be `tlsName`. Every address is held
 * against the policy after DNS, immediately before it is connected to; errors are `ConnectError`s.
 */
export function connectTls(
  { host, port, tlsName }: PeerAddress,
  { mayConnect, lookup, secureContext, connectTimeoutMs }: ConnectionRules,
  done: (error: ConnectError | null, socket: TLSSocket | null) => void,
): void {
  // Literals never reach `lookup`.
  if (isIP(host) !== 0 && !mayConnect(host)) {
    const error = new ConnectError(`${host} is in a range that is not connected to (federation.allow_ip_ranges)`)
    process.nextTick(done, error, null)
    return
  }
  const socket = connect({
    host,
    port,
    secureContext: secureContext(),
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: true,
    lookup: guardedLookup(lookup, mayConnect),
    // "… unless that certificate is expected to be an IP address in which case SNI is not supported".
    ...(isIP(tlsName) === 0 && { servername: tlsName }),
    checkServerIdentity: (_host, certificate) => checkServerIdentity(tlsName, certificate),
  })
  const timer = setTimeout(() => socket.destroy(new ConnectError('no connection in time')), connectTimeoutMs)
  const onError = (error: Error) => {
    clearTimeout(timer)
    done(error instanceof ConnectError ? error : new ConnectError(messageOf(error), { cause: error }), null)
  }
  socket.once('error', onError)
  socket.once('secureConnect', () => {
    clearTimeout(timer)
    socket.off('error', onError)
    socket.setNoDelay(true)
    done(null, socket)
  })
}

function guardedLookup(lookup: LookupAll, mayConnect: AddressPolicy): LookupFunction {
  return (host, options, done) => {
    lookup(host).then(
      (addresses) => {
        const allowed = addresses.filter(({ address }) => mayConnect(address))
        const [first] = allowed
        if (first === undefined) done(refusal(host, addresses), [])
        else if (options.all === true) done(null, allowed)
        else done(null, first.address, first.family)
      },
      (error: Error) => done(error, []),
    )
  }
}

function refusal(host: string, addresses: readonly LookupAddress[]): ConnectError {
  if (addresses.length === 0) return new ConnectError(`${host} has no address`)
  const found = addresses.map(({ address }) => address).join(', ')
  return new ConnectError(`${host} is ${found}, in a range that is not connected to (federation.allow_ip_ranges)`)
}

/** Several addresses that all failed come as one error without a text of its own. */
function messageOf(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map((inner: Error) => inner.message).join('; ')
  return error.message
}
