/** A server under a name that leads to it: an explicit port of localhost, so neither well-known nor SRV are asked. */
import type { TestCa } from '#test/federation/harness/test-ca.ts'
import type { DatabaseName } from '#test/system/harness/databases.ts'
import { freePort } from '#test/system/harness/free-port.ts'
import { Hearth } from '#test/system/harness/hearth.ts'

export type FederatingServer = {
  readonly name: 'hearth' | 'synapse'
  readonly serverName: string
  /** Where its clients reach it. */
  readonly url: string
  stop(): Promise<unknown>
  /** Starts it again on the same data. */
  boot(): Promise<unknown>
  /** The newest of what it wrote to its standard output and error. */
  readonly output: string
}

export type FederatingHearth = FederatingServer & AsyncDisposable & { kill(): Promise<void> }

/** Starts a Hearth that trusts the authority's certificates and others at 127.0.0.1. */
export async function startFederatingHearth(
  ca: TestCa,
  { level = 'debug', database = 'sqlite' }: { readonly level?: string; readonly database?: DatabaseName } = {},
): Promise<FederatingHearth> {
  const port = await freePort()
  const serverName = `localhost:${port}`
  const { certFile, keyFile } = ca.issue('localhost', '127.0.0.1')
  const hearth = await Hearth.start({
    database,
    listeners: [{ host: '127.0.0.1', port, tls: { cert: certFile, key: keyFile }, resources: ['federation'] }],
    config: {
      server_name: serverName,
      log: { level, format: 'json' },
      federation: {
        ca_file: ca.caFile,
        allow_ip_ranges: ['127.0.0.0/8', '::1/128'],
        retry: { base_ms: 200, max_ms: 1_000 },
      },
      rooms: { public_list_over_federation: true, public_list_without_auth: true },
    },
  })
  return {
    name: 'hearth',
    serverName,
    url: hearth.url,
    stop: () => hearth.stop(),
    kill: () => hearth.kill(),
    boot: () => hearth.boot(),
    get output() {
      return hearth.output
    },
    [Symbol.asyncDispose]: () => hearth[Symbol.asyncDispose](),
  }
}
