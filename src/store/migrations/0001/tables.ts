import { accessTokensTables } from '#store/migrations/0001/access-tokens.ts'
import { accountDataTables } from '#store/migrations/0001/account-data.ts'
import { accountsTables } from '#store/migrations/0001/accounts.ts'
import { countersTables } from '#store/migrations/0001/counters.ts'
import { crossSigningKeysTables } from '#store/migrations/0001/cross-signing-keys.ts'
import { currentStateTables } from '#store/migrations/0001/current-state.ts'
import { dehydratedDevicesTables } from '#store/migrations/0001/dehydrated-devices.ts'
import { destinationsTables } from '#store/migrations/0001/destinations.ts'
import { deviceKeysTables } from '#store/migrations/0001/device-keys.ts'
import { devicesTables } from '#store/migrations/0001/devices.ts'
import { eventsTables } from '#store/migrations/0001/events.ts'
import { filtersTables } from '#store/migrations/0001/filters.ts'
import { inboundTables } from '#store/migrations/0001/inbound.ts'
import { keyBackupsTables } from '#store/migrations/0001/key-backups.ts'
import { keySignaturesTables } from '#store/migrations/0001/key-signatures.ts'
import { logTables } from '#store/migrations/0001/log.ts'
import { membershipsTables } from '#store/migrations/0001/memberships.ts'
import { oneTimeKeysTables } from '#store/migrations/0001/one-time-keys.ts'
import { outboundTables } from '#store/migrations/0001/outbound.ts'
import { profilesTables } from '#store/migrations/0001/profiles.ts'
import { receiptsTables } from '#store/migrations/0001/receipts.ts'
import { remoteDevicesTables } from '#store/migrations/0001/remote-devices.ts'
import { roomsTables } from '#store/migrations/0001/rooms.ts'
import { serverKeysTables } from '#store/migrations/0001/server-keys.ts'
import { stateTables } from '#store/migrations/0001/state.ts'
import { storageUseTables } from '#store/migrations/0001/storage-use.ts'
import { toDeviceTables } from '#store/migrations/0001/to-device.ts'
import { uiaSessionsTables } from '#store/migrations/0001/uia-sessions.ts'
import { usersTables } from '#store/migrations/0001/users.ts'
import type { Ddl, DomainTables } from '#store/migrations/ddl.ts'
import type { Connection } from '#store/sql/connection.ts'

/** The tables of the first release: one line a domain. Referenced tables come before those that reference them. */
const DOMAINS: readonly DomainTables[] = [
  countersTables,
  logTables,
  stateTables,
  usersTables,
  accountsTables,
  devicesTables,
  accessTokensTables,
  dehydratedDevicesTables,
  deviceKeysTables,
  oneTimeKeysTables,
  crossSigningKeysTables,
  keySignaturesTables,
  keyBackupsTables,
  toDeviceTables,
  remoteDevicesTables,
  uiaSessionsTables,
  profilesTables,
  accountDataTables,
  filtersTables,
  roomsTables,
  eventsTables,
  currentStateTables,
  membershipsTables,
  receiptsTables,
  serverKeysTables,
  destinationsTables,
  inboundTables,
  outboundTables,
  storageUseTables,
]

export async function firstTables(connection: Connection, d: Ddl): Promise<void> {
  for (const tables of DOMAINS) {
    for (const statement of tables(d)) await connection.execute(statement, [], false)
  }
}
