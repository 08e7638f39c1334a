/** The only door to the database: services see this file and `types/`, and nothing under `store/sql/`. */
import type { UnavailableError } from '#core/unavailable-error.ts'
import type { AccessTokenReader, AccessTokenStore } from '#store/types/access-tokens.ts'
import type { AccountDataReader, AccountDataStore } from '#store/types/account-data.ts'
import type { AccountReader, AccountStore } from '#store/types/accounts.ts'
import type { BackwardExtremityReader, BackwardExtremityStore } from '#store/types/backward-extremities.ts'
import type { CrossSigningKeyReader, CrossSigningKeyStore } from '#store/types/cross-signing-keys.ts'
import type { DehydratedDeviceReader, DehydratedDeviceStore } from '#store/types/dehydrated-devices.ts'
import type { DestinationReader, DestinationStore } from '#store/types/destinations.ts'
import type { DeviceKeysReader, DeviceKeysStore } from '#store/types/device-keys.ts'
import type { DeviceReader, DeviceStore } from '#store/types/devices.ts'
import type { Append, Appended, EventReader, EventStore } from '#store/types/events.ts'
import type { FilterReader, FilterStore } from '#store/types/filters.ts'
import type { InboundReader, InboundStore } from '#store/types/inbound.ts'
import type { KeyBackupReader, KeyBackupStore } from '#store/types/key-backups.ts'
import type { KeySignatureReader, KeySignatureStore } from '#store/types/key-signatures.ts'
import type { LogCommit, LogReader, LogStore } from '#store/types/log.ts'
import type { MembershipReader, MembershipStore } from '#store/types/memberships.ts'
import type { MetaReader, MetaStore } from '#store/types/meta.ts'
import type { OneTimeKeyReader, OneTimeKeyStore } from '#store/types/one-time-keys.ts'
import type { OutboundReader, OutboundStore } from '#store/types/outbound.ts'
import type { ProfileReader, ProfileStore } from '#store/types/profiles.ts'
import type { ReceiptReader, ReceiptStore } from '#store/types/receipts.ts'
import type { RemoteDeviceReader, RemoteDeviceStore } from '#store/types/remote-devices.ts'
import type { RoomReader, RoomStore } from '#store/types/rooms.ts'
import type { ServerKeyReader, ServerKeyStore } from '#store/types/server-keys.ts'
import type { SharingReader } from '#store/types/sharing.ts'
import type { StateReader, StateStore } from '#store/types/state.ts'
import type { StorageUseReader } from '#store/types/storage-use.ts'
import type { ToDeviceReader, ToDeviceStore } from '#store/types/to-device.ts'
import type { UiaSessionReader, UiaSessionStore } from '#store/types/uia-sessions.ts'
import type { UserReader, UserStore } from '#store/types/users.ts'

/** What a read may use: one member a domain, all of one consistent snapshot. Not to be used after the function ended. */
export type ReadTx = {
  /** The stream position of this snapshot: everything up to it is visible, and nothing above it. */
  position(): Promise<number>
  readonly users: UserReader
  readonly accounts: AccountReader
  readonly accessTokens: AccessTokenReader
  readonly uiaSessions: UiaSessionReader
  readonly devices: DeviceReader
  readonly dehydratedDevices: DehydratedDeviceReader
  readonly deviceKeys: DeviceKeysReader
  readonly oneTimeKeys: OneTimeKeyReader
  readonly crossSigningKeys: CrossSigningKeyReader
  readonly keySignatures: KeySignatureReader
  readonly keyBackups: KeyBackupReader
  readonly toDevice: ToDeviceReader
  readonly remoteDevices: RemoteDeviceReader
  readonly profiles: ProfileReader
  readonly accountData: AccountDataReader
  readonly filters: FilterReader
  readonly log: LogReader
  readonly meta: MetaReader
  readonly rooms: RoomReader
  readonly events: EventReader
  readonly backwardExtremities: BackwardExtremityReader
  readonly state: StateReader
  readonly memberships: MembershipReader
  readonly sharing: SharingReader
  readonly receipts: ReceiptReader
  readonly serverKeys: ServerKeyReader
  readonly destinations: DestinationReader
  readonly inbound: InboundReader
  readonly outbound: OutboundReader
  readonly storageUse: StorageUseReader
}

/** What a write may use: the same domains, with the methods that change. */
export type Tx = {
  /** The highest stream position given out so far, those of this transaction included. */
  position(): Promise<number>
  readonly users: UserStore
  readonly accounts: AccountStore
  readonly accessTokens: AccessTokenStore
  readonly uiaSessions: UiaSessionStore
  readonly devices: DeviceStore
  readonly dehydratedDevices: DehydratedDeviceStore
  readonly deviceKeys: DeviceKeysStore
  readonly oneTimeKeys: OneTimeKeyStore
  readonly crossSigningKeys: CrossSigningKeyStore
  readonly keySignatures: KeySignatureStore
  readonly keyBackups: KeyBackupStore
  readonly toDevice: ToDeviceStore
  readonly remoteDevices: RemoteDeviceStore
  readonly profiles: ProfileStore
  readonly accountData: AccountDataStore
  readonly filters: FilterStore
  readonly log: LogStore
  readonly meta: MetaStore
  readonly rooms: RoomStore
  readonly events: EventStore
  readonly backwardExtremities: BackwardExtremityStore
  readonly state: StateStore
  readonly memberships: MembershipStore
  readonly sharing: SharingReader
  readonly receipts: ReceiptStore
  readonly serverKeys: ServerKeyStore
  readonly destinations: DestinationStore
  readonly inbound: InboundStore
  readonly outbound: OutboundStore
  readonly storageUse: StorageUseReader
}

export interface Store extends AsyncDisposable {
  /** A consistent snapshot that never sees an unfinished write, and that can't write. Awaits nothing but its `tx`. */
  read<T>(fn: (tx: ReadTx) => Promise<T>): Promise<T>
  /**
   * All or nothing, and on disk when the promise resolves. Functions run strictly in turn, several of them may share
   * one transaction, and one that throws takes back only what it did itself. `fn` awaits nothing but its `tx`, has no
   * effect outside of it, and may be run twice. A write inside a write would wait for itself.
   */
  write<T>(fn: (tx: Tx) => Promise<T>): Promise<T>
  /** `write` of one append and nothing else: being data, it can be written in another thread. */
  append(append: Append): Promise<Appended>
  /** What kept the database from the last read or write; null where nothing did. Costs nothing. */
  fault(): UnavailableError | null
  /** The last stream position that this process knows to be committed. Costs nothing. */
  position(): number
  /**
   * Calls the listener after each commit that gave out positions; on PostgreSQL also for commits of other processes.
   * Returns the function that ends it. Who wants to know what happened registers with `LogFollowers`.
   */
  onCommit(listener: CommitListener): () => void
}

/** Told of the last position, and of what was written to the log where this process did it and knows. */
export type CommitListener = (position: number, commit: LogCommit | null) => void

/** Where the store writes what an operator should know. pino's logger is one. */
export type StoreLog = {
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}
