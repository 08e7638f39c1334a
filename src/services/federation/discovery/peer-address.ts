/** Where to connect to, and how to speak there: one outcome of server discovery. */
export type PeerAddress = {
  /** A DNS name, or an IP address without brackets. */
  readonly host: string
  readonly port: number
  /** Whom the certificate must name: a DNS name (sent as SNI), or an IP address (not sent). */
  readonly tlsName: string
  /** The `Host` header. */
  readonly hostHeader: string
}

/** What one step of discovery found, in words for an operator. */
export type DiscoveryStep = {
  readonly step: 'name' | 'override' | 'ip literal' | 'explicit port' | 'well-known' | 'srv' | 'default port'
  /** False only where something is broken; not finding a well-known file or an SRV record is no fault. */
  readonly ok: boolean
  readonly text: string
}

export type Discovered = {
  /** In the order to try them; empty if the server can't be reached. */
  readonly addresses: readonly PeerAddress[]
  readonly steps: readonly DiscoveryStep[]
}
