import { accessTokenStore } from '#store/sql/access-tokens.ts'
import { accountDataStore } from '#store/sql/account-data.ts'
import { accountStore } from '#store/sql/accounts.ts'
import { backwardExtremityStore } from '#store/sql/backward-extremities.ts'
import { crossSigningKeyStore } from '#store/sql/cross-signing-keys.ts'
import { dehydratedDeviceStore } from '#store/sql/dehydrated-devices.ts'
import { destinationStore } from '#store/sql/destinations.ts'
import { deviceKeysStore } from '#store/sql/device-keys.ts'
import { deviceStore } from '#store/sql/devices.ts'
import { eventStore } from '#store/sql/events.ts'
import { filterStore } from '#store/sql/filters.ts'
import { inboundStore } from '#store/sql/inbound.ts'
import { keyBackupStore } from '#store/sql/key-backups.ts'
import { keySignatureStore } from '#store/sql/key-signatures.ts'
import { logStore } from '#store/sql/log.ts'
import { membershipStore } from '#store/sql/memberships.ts'
import { metaStore } from '#store/sql/meta.ts'
import { oneTimeKeyStore } from '#store/sql/one-time-keys.ts'
import { outboundStore } from '#store/sql/outbound.ts'
import { profileStore } from '#store/sql/profiles.ts'
import { receiptStore } from '#store/sql/receipts.ts'
import { remoteDeviceStore } from '#store/sql/remote-devices.ts'
import { roomStore } from '#store/sql/rooms.ts'
import { serverKeyStore } from '#store/sql/server-keys.ts'
import type { Session } from '#store/sql/session.ts'
import { sharingReader } from '#store/sql/sharing.ts'
import type { Sql } from '#store/sql/sql.ts'
import { stateStore } from '#store/sql/state.ts'
import { storageUse } from '#store/sql/storage-use.ts'
import { toDeviceStore } from '#store/sql/to-device.ts'
import { uiaSessionStore } from '#store/sql/uia-sessions.ts'
import { userStore } from '#store/sql/users.ts'
import type { Tx } from '#store/store.ts'

/**
 * What makes each domain: one line a domain. A new one is an interface in store/types/, a line in ReadTx and Tx of
 * store.ts, its implementation in store/sql/, its tables in store/sql/tables/ with a line in schema.ts, and their
 * definition in store/migrations/ with a line in the list of that step.
 */
const DOMAINS: { readonly [Name in Exclude<keyof Tx, 'position'>]: (sql: Sql) => Tx[Name] } = {
  users: userStore,
  accounts: accountStore,
  accessTokens: accessTokenStore,
  uiaSessions: uiaSessionStore,
  devices: deviceStore,
  dehydratedDevices: dehydratedDeviceStore,
  deviceKeys: deviceKeysStore,
  oneTimeKeys: oneTimeKeyStore,
  crossSigningKeys: crossSigningKeyStore,
  keySignatures: keySignatureStore,
  keyBackups: keyBackupStore,
  toDevice: toDeviceStore,
  storageUse,
  remoteDevices: remoteDeviceStore,
  profiles: profileStore,
  accountData: accountDataStore,
  filters: filterStore,
  log: logStore,
  meta: metaStore,
  rooms: roomStore,
  events: eventStore,
  backwardExtremities: backwardExtremityStore,
  state: stateStore,
  memberships: membershipStore,
  sharing: sharingReader,
  receipts: receiptStore,
  serverKeys: serverKeyStore,
  destinations: destinationStore,
  inbound: inboundStore,
  outbound: outboundStore,
}

/** The `tx` of all transactions of one connection. A domain is made when it is first asked for. */
export function transactionOver(session: Session): Tx {
  const tx = { position: () => session.position() }
  for (const [name, make] of Object.entries(DOMAINS)) {
    let domain: unknown
    Object.defineProperty(tx, name, {
      enumerable: true,
      get() {
        domain ??= make(session)
        return domain
      },
    })
  }
  return tx as Tx
}
