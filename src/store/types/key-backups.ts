import type { RoomId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { UserNid } from '#store/types/users.ts'

export type KeyBackupRow = {
  /** Counted up from 1 for each user; never used twice. */
  readonly version: number
  readonly algorithm: string
  readonly authData: JsonObject
  /** Changes with each change of the keys. */
  readonly etag: number
  /** How many keys it holds. */
  readonly count: number
}

/** Names a key of a backup. */
export type BackedUpSession = { readonly roomId: RoomId; readonly sessionId: string }

/** A key of a backup (definition KeyBackupData). */
export type BackedUpKey = BackedUpSession & {
  readonly isVerified: boolean
  readonly firstMessageIndex: number
  readonly forwardedCount: number
  readonly sessionData: JsonObject
}

/** Which keys of a backup: one, those of a room, or all. */
export type BackupSelection = { readonly roomId?: RoomId; readonly sessionId?: string }

/** Some keys of a backup, or of a room in it. */
export type BackupPage = {
  readonly roomId?: RoomId | undefined
  /** null = from the beginning. */
  readonly after: BackedUpSession | null
  readonly limit: number
}

export interface KeyBackupReader {
  /** The newest version that wasn't deleted. */
  current(user: UserNid): Promise<KeyBackupRow | null>
  /** null for one that was deleted. */
  get(user: UserNid, version: number): Promise<KeyBackupRow | null>
  /** By room and session id. */
  keys(user: UserNid, version: number, selection: BackupSelection): Promise<BackedUpKey[]>
  /** By room and session id, those after the named one, at most `limit`. */
  page(user: UserNid, version: number, page: BackupPage): Promise<BackedUpKey[]>
  /** Those of the named keys that are there. */
  keysOf(user: UserNid, version: number, sessions: readonly BackedUpSession[]): Promise<BackedUpKey[]>
}

export interface KeyBackupStore extends KeyBackupReader {
  /** Returns the new version, which is the current one from now on. */
  create(user: UserNid, backup: { readonly algorithm: string; readonly authData: JsonObject }): Promise<number>
  setAuthData(user: UserNid, version: number, authData: JsonObject): Promise<void>
  /** `get`, after which no other process changes the backup before this write ends. */
  lock(user: UserNid, version: number): Promise<KeyBackupRow | null>
  /** Adds or replaces keys of a locked backup, of which `added` aren't there yet. */
  putKeys(user: UserNid, version: number, keys: readonly BackedUpKey[], added: number): Promise<void>
  /** Deletes keys of a locked backup. */
  deleteKeys(user: UserNid, version: number, selection: BackupSelection): Promise<void>
  /** Deletes a backup with its keys. False for a version that never was; true also for one deleted before. */
  delete(user: UserNid, version: number): Promise<boolean>
  /** Deletes all backups of a user. */
  deleteAll(user: UserNid): Promise<void>
}
