/** What connects this server with others, put together: discovery, transport, keys, authentication. */
import type { SecureContext } from 'node:tls'
import type { Signer } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import type { RandomBytes } from '#services/accounts/secrets.ts'
import { FederationCheck } from '#services/federation/check/federation-check.ts'
import { ServerDiscovery } from '#services/federation/discovery/server-discovery.ts'
import { type CheckSignature, EventVerifier } from '#services/federation/keys/event-verifier.ts'
import { KeyFetcher } from '#services/federation/keys/key-fetcher.ts'
import { KeyRing } from '#services/federation/keys/key-ring.ts'
import { KnownKeys } from '#services/federation/keys/known-keys.ts'
import { Notary } from '#services/federation/keys/notary.ts'
import { type OldKey, OwnKeys } from '#services/federation/keys/own-keys.ts'
import { RequestAuthenticator } from '#services/federation/keys/request-authenticator.ts'
import { addressPolicy } from '#services/federation/transport/address-policy.ts'
import { BackOff, type RetrySettings } from '#services/federation/transport/back-off.ts'
import { cachedLookup } from '#services/federation/transport/cached-lookup.ts'
import { FederationClient } from '#services/federation/transport/federation-client.ts'
import { wellKnownFetcher } from '#services/federation/transport/fetch-well-known.ts'
import { HttpsTransport } from '#services/federation/transport/https-transport.ts'
import { NameResolver } from '#services/federation/transport/name-resolver.ts'
import { PeerConnections } from '#services/federation/transport/peer-connections.ts'
import type { ConnectionRules } from '#services/federation/transport/tls-connection.ts'
import type { FederationTransport } from '#services/federation/transport/transport.ts'
import { trustedAuthorities } from '#services/federation/transport/trusted-authorities.ts'
import type { Timers } from '#services/time/timers.ts'
import type { Store, StoreLog } from '#store/store.ts'

const CONNECT_TIMEOUT_MS = 10_000

/** What a server is, as it tells others. */
export type Software = { readonly name: string; readonly version: string }

export type FederationSettings = {
  readonly serverOverrides: Readonly<Record<string, string>>
  /** Authorities trusted besides the system's (PEM). */
  readonly ca: string | null
  readonly allowIpRanges: readonly string[]
  readonly retry: RetrySettings
  readonly trustedKeyServers: readonly ServerName[]
  readonly oldKeys: readonly OldKey[]
  readonly software: Software
}

type Deps = {
  readonly store: Store
  readonly signer: Signer
  readonly clock: () => number
  readonly timers: Timers
  readonly randomBytes: RandomBytes
  readonly log: StoreLog
  /** Told of failures that no request waits for. */
  readonly onError: (error: unknown) => void
  readonly settings: FederationSettings
  /** Instead of the real network. */
  readonly transport?: FederationTransport
  /** `host:port` each, instead of the system's name servers. */
  readonly nameServers?: readonly string[]
  /** Instead of checking on other threads. */
  readonly checkSignature?: CheckSignature
}

export interface FederationLink {
  readonly software: Software
  /** Requests to other servers. */
  readonly client: FederationClient
  /** Which servers can't be reached, and the news when one can again. */
  readonly backOff: BackOff
  readonly ownKeys: OwnKeys
  readonly keyRing: KeyRing
  readonly eventVerifier: EventVerifier
  readonly requestAuthenticator: RequestAuthenticator
  readonly notary: Notary
  readonly check: FederationCheck
  /**
   * Reads the certificates of all authorities: 65 ms of processor time that the first connection would take otherwise,
   * better spent before anybody is served.
   */
  prepare(): void
  /** Ends all connections. To be called before the store closes. */
  close(): Promise<void>
}

/** Throws RangeError for ranges that are none. */
export async function federationLink(deps: Deps): Promise<FederationLink> {
  const { store, signer, clock, timers, settings, log, onError } = deps
  const { retry, software } = settings
  const userAgent = `${software.name}/${software.version}`
  const random = () => Buffer.from(deps.randomBytes(4)).readUInt32BE() / 2 ** 32
  const names = new NameResolver({ nameServers: deps.nameServers })
  const rules = connectionRules(settings, names, clock)
  const connections = new PeerConnections(rules)
  const discovery = new ServerDiscovery({
    fetchWellKnown: wellKnownFetcher({ connections, userAgent }),
    resolveSrv: (name) => names.resolveSrv(name),
    overrides: settings.serverOverrides,
    retry,
    clock,
    random,
  })
  const transport = deps.transport ?? new HttpsTransport({ discovery, connections, userAgent })
  const backOff = new BackOff({ store, retry, clock, random, onError })
  await backOff.load()
  const client = new FederationClient({ transport, backOff, signer })
  const ownKeys = new OwnKeys({ signer, oldKeys: settings.oldKeys, clock })
  const known = new KnownKeys({ store, ownKeys, clock, log })
  const fetcher = new KeyFetcher(client)
  const trustedNotaries = settings.trustedKeyServers
  const keyRing = new KeyRing({ serverName: ownKeys.serverName, known, fetcher, trustedNotaries, retry, clock, timers })
  return {
    software,
    client,
    backOff,
    ownKeys,
    keyRing,
    eventVerifier: new EventVerifier(keyRing, deps.checkSignature),
    requestAuthenticator: new RequestAuthenticator({ serverName: ownKeys.serverName, keyRing, backOff }),
    notary: new Notary({ signer, ownKeys, known, keyRing, clock }),
    check: new FederationCheck({ discovery, connections, rules, signer, userAgent, clock }),
    prepare: () => void rules.secureContext(),
    async close() {
      await connections.close()
      await keyRing.idle()
      await backOff.idle()
    },
  }
}

function connectionRules(
  { allowIpRanges, ca }: FederationSettings,
  names: NameResolver,
  clock: () => number,
): ConnectionRules {
  let context: SecureContext | undefined
  return {
    mayConnect: addressPolicy(allowIpRanges),
    lookup: cachedLookup((host) => names.lookup(host), clock),
    // Reading all authorities takes a while: not where nobody connects.
    secureContext: () => {
      context ??= trustedAuthorities(ca)
      return context
    },
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
  }
}
