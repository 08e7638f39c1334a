/** All tables, as Kysely sees them: one line a domain. */
import type { AccessTokensTables } from '#store/sql/tables/access-tokens.ts'
import type { AccountDataTables } from '#store/sql/tables/account-data.ts'
import type { AccountsTables } from '#store/sql/tables/accounts.ts'
import type { CountersTables } from '#store/sql/tables/counters.ts'
import type { CrossSigningKeysTables } from '#store/sql/tables/cross-signing-keys.ts'
import type { CurrentStateTables } from '#store/sql/tables/current-state.ts'
import type { DehydratedDevicesTables } from '#store/sql/tables/dehydrated-devices.ts'
import type { DestinationsTables } from '#store/sql/tables/destinations.ts'
import type { DeviceKeysTables } from '#store/sql/tables/device-keys.ts'
import type { DevicesTables } from '#store/sql/tables/devices.ts'
import type { EventsTables } from '#store/sql/tables/events.ts'
import type { FiltersTables } from '#store/sql/tables/filters.ts'
import type { InboundTables } from '#store/sql/tables/inbound.ts'
import type { KeyBackupsTables } from '#store/sql/tables/key-backups.ts'
import type { KeySignaturesTables } from '#store/sql/tables/key-signatures.ts'
import type { LogTables } from '#store/sql/tables/log.ts'
import type { MembershipsTables } from '#store/sql/tables/memberships.ts'
import type { OneTimeKeysTables } from '#store/sql/tables/one-time-keys.ts'
import type { OutboundTables } from '#store/sql/tables/outbound.ts'
import type { ProfilesTables } from '#store/sql/tables/profiles.ts'
import type { ReceiptsTables } from '#store/sql/tables/receipts.ts'
import type { RemoteDevicesTables } from '#store/sql/tables/remote-devices.ts'
import type { RoomsTables } from '#store/sql/tables/rooms.ts'
import type { ServerKeysTables } from '#store/sql/tables/server-keys.ts'
import type { StateTables } from '#store/sql/tables/state.ts'
import type { StorageUseTables } from '#store/sql/tables/storage-use.ts'
import type { ToDeviceTables } from '#store/sql/tables/to-device.ts'
import type { UiaSessionsTables } from '#store/sql/tables/uia-sessions.ts'
import type { UsersTables } from '#store/sql/tables/users.ts'

export interface Schema
  extends CountersTables,
    StateTables,
    AccessTokensTables,
    AccountDataTables,
    AccountsTables,
    DestinationsTables,
    CrossSigningKeysTables,
    DehydratedDevicesTables,
    DeviceKeysTables,
    DevicesTables,
    FiltersTables,
    InboundTables,
    KeyBackupsTables,
    KeySignaturesTables,
    LogTables,
    OneTimeKeysTables,
    ProfilesTables,
    RemoteDevicesTables,
    ToDeviceTables,
    UiaSessionsTables,
    UsersTables,
    CurrentStateTables,
    EventsTables,
    MembershipsTables,
    OutboundTables,
    ReceiptsTables,
    RoomsTables,
    ServerKeysTables,
    StorageUseTables {}
