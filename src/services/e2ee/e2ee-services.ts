import type { ServerName } from '#core/ids.ts'
import type { RandomBytes } from '#services/accounts/secrets.ts'
import { CrossSigning } from '#services/e2ee/cross-signing.ts'
import { DehydratedDevices } from '#services/e2ee/dehydrated-devices.ts'
import { DeviceKeys } from '#services/e2ee/device-keys.ts'
import { DeviceLists } from '#services/e2ee/device-lists.ts'
import { KeyBackup } from '#services/e2ee/key-backup.ts'
import { KeyClaims } from '#services/e2ee/key-claims.ts'
import { KeyQueries } from '#services/e2ee/key-queries.ts'
import { KeySignatures } from '#services/e2ee/key-signatures.ts'
import { NO_REMOTE_KEYS, type RemoteKeys } from '#services/e2ee/remote-keys.ts'
import { ToDevice } from '#services/e2ee/to-device.ts'
import type { Store } from '#store/store.ts'

/** What end-to-end encryption needs of a server: keys that are published, given out and kept. */
export interface E2eeServices {
  readonly dehydratedDevices: DehydratedDevices
  readonly deviceKeys: DeviceKeys
  readonly keyQueries: KeyQueries
  readonly keyClaims: KeyClaims
  readonly crossSigning: CrossSigning
  readonly keySignatures: KeySignatures
  readonly keyBackup: KeyBackup
  readonly deviceLists: DeviceLists
  readonly toDevice: ToDevice
  /** Tells who asks other servers for keys of their users. */
  askRemoteBy(remote: RemoteKeys): void
}

type Deps = {
  readonly store: Store
  readonly serverName: ServerName
  readonly clock: () => number
  readonly randomBytes: RandomBytes
}

/** Makes them all. */
export function e2eeServices(deps: Deps): E2eeServices {
  // Who asks other servers needs these services, and comes after them.
  let asking = NO_REMOTE_KEYS
  const remote: RemoteKeys = {
    query: (wanted, options) => asking.query(wanted, options),
    claim: (wanted, options) => asking.claim(wanted, options),
  }
  const withRemote = { ...deps, remote }
  return {
    dehydratedDevices: new DehydratedDevices(deps),
    deviceKeys: new DeviceKeys(deps),
    keyQueries: new KeyQueries(withRemote),
    keyClaims: new KeyClaims(withRemote),
    crossSigning: new CrossSigning(deps),
    keySignatures: new KeySignatures(withRemote),
    keyBackup: new KeyBackup(deps),
    deviceLists: new DeviceLists(deps),
    toDevice: new ToDevice(deps),
    askRemoteBy(asker) {
      asking = asker
    },
  }
}
