import type { ServerName } from '#core/ids.ts'
import type { E2eeServices } from '#services/e2ee/e2ee-services.ts'
import { DeviceListSender } from '#services/federation/encryption/device-list-sender.ts'
import { RemoteDeviceLists } from '#services/federation/encryption/remote-device-lists.ts'
import { RemoteKeyClient } from '#services/federation/encryption/remote-key-client.ts'
import { RemoteListFetcher } from '#services/federation/encryption/remote-list-fetcher.ts'
import { receiveToDevice } from '#services/federation/encryption/to-device-edu.ts'
import type { KeyEdus } from '#services/federation/inbound/edus.ts'
import type { RetrySettings } from '#services/federation/transport/back-off.ts'
import type { FederationClient } from '#services/federation/transport/federation-client.ts'
import type { LogFollowers } from '#services/log/log-followers.ts'
import type { Timers } from '#services/time/timers.ts'
import type { Store } from '#store/store.ts'

/** End-to-end encryption across servers: what others tell, what they are told, and what they are asked. */
export interface FederatedKeys extends KeyEdus {
  /** Goes on with what an earlier process left to fetch. */
  resume(): Promise<void>
  /** Resolves when all changes so far are queued for other servers, and no list is being fetched. */
  idle(): Promise<void>
  close(): Promise<void>
}

type Deps = {
  readonly store: Store
  readonly followers: LogFollowers
  readonly serverName: ServerName
  readonly client: Pick<FederationClient, 'request' | 'backOff'>
  readonly e2ee: Pick<E2eeServices, 'askRemoteBy' | 'toDevice'>
  readonly retry: RetrySettings
  readonly clock: () => number
  readonly timers: Timers
  readonly tellsDeviceNames: boolean
  /** An EDU was queued for a server. */
  readonly eduQueued: (server: ServerName) => void
  readonly onError: (error: unknown) => void
}

export async function federatedKeys(deps: Deps): Promise<FederatedKeys> {
  const fetcher = new RemoteListFetcher(deps)
  const onStale = (server: ServerName) => fetcher.wake(server)
  const lists = new RemoteDeviceLists({ store: deps.store, onStale })
  deps.e2ee.askRemoteBy(new RemoteKeyClient({ ...deps, onStale }))
  deps.e2ee.toDevice.sendBy(deps.eduQueued)
  const sender = await DeviceListSender.start(deps)
  return {
    receiveToDevice: (origin, contents) => receiveToDevice(deps, origin, contents),
    receiveDeviceUpdate: (origin, content) => lists.receiveDeviceUpdate(origin, content),
    receiveSigningKeys: (origin, content) => lists.receiveSigningKeys(origin, content),
    resume: () => fetcher.resume(),
    async idle() {
      await sender.idle()
      await fetcher.idle()
    },
    async close() {
      await sender.close()
      await fetcher.close()
    },
  }
}
