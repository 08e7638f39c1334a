import type { RoomId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { invalidParam, MatrixError, notFound, tooLarge } from '#core/matrix-error.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { Store, Tx } from '#store/store.ts'
import type { BackedUpKey, BackupSelection, KeyBackupReader, KeyBackupRow } from '#store/types/key-backups.ts'
import type { UserNid } from '#store/types/users.ts'

export type { BackedUpKey }

/** The largest `session_data` and `auth_data`, as JSON. */
const DATA_BYTES_MAX = 65_536

/** Keys in one request; clients send some hundreds at a time. */
export const BACKED_UP_KEYS_MAX = 10_000

/** Keys that are read at once. */
const PAGE_KEYS = 100

/** A backup as clients see it, without its keys. */
export type BackupVersion = {
  readonly version: string
  readonly algorithm: string
  readonly auth_data: JsonObject
  readonly etag: string
  readonly count: number
}

/** What a change of keys answers. */
export type BackupState = { readonly etag: string; readonly count: number }

/** Server-side key backups: encrypted keys of message sessions that a user keeps here. */
export class KeyBackup {
  readonly #store: Store

  constructor(deps: { readonly store: Store }) {
    this.#store = deps.store
  }

  /** Begins a new backup, which is the current one from now on. Returns its version. @throws MatrixError M_TOO_LARGE */
  async create(user: UserNid, algorithm: string, authData: JsonObject): Promise<string> {
    assertFits(authData)
    return String(await this.#store.write((tx) => tx.keyBackups.create(user, { algorithm, authData })))
  }

  /** The current backup. @throws MatrixError M_NOT_FOUND */
  async current(user: UserNid): Promise<BackupVersion> {
    const backup = await this.#store.read((tx) => tx.keyBackups.current(user))
    if (backup === null) throw notFound('No current backup version')
    return shown(backup)
  }

  /** @throws MatrixError M_NOT_FOUND */
  async get(user: UserNid, version: string): Promise<BackupVersion> {
    return shown(await this.#store.read((tx) => existing(tx.keyBackups, user, version)))
  }

  /** "Only auth_data can be modified." @throws MatrixError M_NOT_FOUND, M_INVALID_PARAM for another algorithm */
  async setAuthData(user: UserNid, version: string, algorithm: string, authData: JsonObject): Promise<void> {
    assertFits(authData)
    await this.#store.write(async (tx) => {
      const backup = await existing(tx.keyBackups, user, version)
      if (backup.algorithm !== algorithm) throw invalidParam('Algorithm does not match')
      await tx.keyBackups.setAuthData(user, backup.version, authData)
    })
  }

  /** Deletes a backup and its keys; one that was deleted before is fine. @throws MatrixError M_NOT_FOUND */
  async delete(user: UserNid, version: string): Promise<void> {
    const number = versionNumber(version)
    const existed = number !== null && (await this.#store.write((tx) => tx.keyBackups.delete(user, number)))
    if (!existed) throw notFound('Unknown backup version')
  }

  /**
   * Stores keys in the current backup, where they are better than those that are there.
   * @throws MatrixError M_WRONG_ROOM_KEYS_VERSION for a version that isn't current, M_NOT_FOUND, M_TOO_LARGE
   */
  async putKeys(user: UserNid, version: string, keys: readonly BackedUpKey[]): Promise<BackupState> {
    if (keys.length > BACKED_UP_KEYS_MAX) throw tooLarge(`At most ${BACKED_UP_KEYS_MAX} keys can be stored at once`)
    const timeSlice = new TimeSlice()
    for (const { sessionData } of keys) {
      assertFits(sessionData)
      await timeSlice.yieldIfDue()
    }
    return this.#store.write(async (tx) => {
      const { version: number } = await lockedCurrent(tx, user, version)
      const present = new Map((await tx.keyBackups.keysOf(user, number, keys)).map((key) => [nameOf(key), key]))
      const better = keys.filter((key) => {
        const before = present.get(nameOf(key))
        return before === undefined || isBetter(key, before)
      })
      if (better.length > 0) {
        const added = better.filter((key) => !present.has(nameOf(key))).length
        await tx.keyBackups.putKeys(user, number, better, added)
      }
      return stateOf(await existing(tx.keyBackups, user, version))
    })
  }

  /**
   * The keys of a backup, or of a room in it, by room and session id: some at a time, since all together may be more
   * than fits into memory.
   *
   * @throws MatrixError M_NOT_FOUND for an unknown version, at once
   */
  async pages(user: UserNid, version: string, roomId?: RoomId): Promise<AsyncIterable<readonly BackedUpKey[]>> {
    const backup = await this.#store.read((tx) => existing(tx.keyBackups, user, version))
    return this.#pages(user, backup.version, roomId)
  }

  async *#pages(user: UserNid, version: number, roomId?: RoomId): AsyncGenerator<readonly BackedUpKey[]> {
    const timeSlice = new TimeSlice()
    for (let after: BackedUpKey | null = null; ; ) {
      const from: BackedUpKey | null = after
      const page: readonly BackedUpKey[] = await this.#store.read((tx) =>
        tx.keyBackups.page(user, version, { roomId, after: from, limit: PAGE_KEYS }),
      )
      yield page
      after = page.at(-1) ?? null
      if (page.length < PAGE_KEYS) return
      await timeSlice.yieldIfDue()
    }
  }

  /** The keys of a backup. @throws MatrixError M_NOT_FOUND for an unknown version */
  async keys(user: UserNid, version: string, selection: BackupSelection): Promise<BackedUpKey[]> {
    return this.#store.read(async (tx) => {
      const backup = await existing(tx.keyBackups, user, version)
      return tx.keyBackups.keys(user, backup.version, selection)
    })
  }

  /** Deletes keys of a backup. @throws MatrixError M_NOT_FOUND for an unknown version */
  async deleteKeys(user: UserNid, version: string, selection: BackupSelection): Promise<BackupState> {
    return this.#store.write(async (tx) => {
      const number = versionNumber(version)
      const backup = number === null ? null : await tx.keyBackups.lock(user, number)
      if (backup === null) throw notFound('Unknown backup version')
      await tx.keyBackups.deleteKeys(user, backup.version, selection)
      return stateOf(await existing(tx.keyBackups, user, version))
    })
  }
}

/**
 * Whether a key takes the place of one that is there: "it will keep the key that has is_verified set to true; if they
 * have the same values for is_verified, the key with a lower first_message_index; and finally the key with a lower
 * forwarded_count".
 */
export function isBetter(key: BackedUpKey, present: BackedUpKey): boolean {
  if (key.isVerified !== present.isVerified) return key.isVerified
  if (key.firstMessageIndex !== present.firstMessageIndex) return key.firstMessageIndex < present.firstMessageIndex
  return key.forwardedCount < present.forwardedCount
}

/** Versions are decimal numbers, written in one way. */
function versionNumber(version: string): number | null {
  return /^[1-9][0-9]{0,14}$/.test(version) ? Number(version) : null
}

async function existing(backups: KeyBackupReader, user: UserNid, version: string): Promise<KeyBackupRow> {
  const number = versionNumber(version)
  const backup = number === null ? null : await backups.get(user, number)
  if (backup === null) throw notFound('Unknown backup version')
  return backup
}

async function lockedCurrent(tx: Tx, user: UserNid, version: string): Promise<KeyBackupRow> {
  const current = await tx.keyBackups.current(user)
  if (current === null) throw notFound('Unknown backup version')
  if (String(current.version) !== version) {
    const extra = { current_version: String(current.version) }
    throw new MatrixError('M_WRONG_ROOM_KEYS_VERSION', 'Wrong backup version.', { extra })
  }
  const locked = await tx.keyBackups.lock(user, current.version)
  if (locked === null) throw notFound('Unknown backup version')
  return locked
}

function nameOf({ roomId, sessionId }: BackedUpKey): string {
  return `${roomId}\n${sessionId}`
}

function stateOf({ etag, count }: KeyBackupRow): BackupState {
  return { etag: String(etag), count }
}

function shown({ version, algorithm, authData, etag, count }: KeyBackupRow): BackupVersion {
  return { version: String(version), algorithm, auth_data: authData, etag: String(etag), count }
}

function assertFits(data: JsonObject): void {
  if (Buffer.byteLength(JSON.stringify(data)) <= DATA_BYTES_MAX) return
  throw tooLarge(`Data of a backup has at most ${DATA_BYTES_MAX} bytes`)
}
