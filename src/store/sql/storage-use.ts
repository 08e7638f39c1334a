import { StorageFullError } from '#store/errors.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { StorageKind, StorageUseReader } from '#store/types/storage-use.ts'

export interface StorageUse extends StorageUseReader {
  /**
   * Runs a write of what a user stores. Refused where it takes the user past the limit; one that takes no more than
   * before goes through also above it, so that there is a way back down.
   *
   * @throws StorageFullError
   */
  within<T>(user: number, kind: StorageKind, write: () => Promise<T>): Promise<T>
  /** How much more of a kind the user may store; no other process stores any before this write ends. */
  room(user: number, kind: StorageKind): Promise<number>
}

/** How much users store, as the triggers of `migrations/0001/storage-use.ts` count it. */
export function storageUse(sql: Sql): StorageUse {
  const amount = sql.prepare((db, p: { user: number; kind: string }) =>
    db.selectFrom('storage_use').select('amount').where('user_nid', '=', p.user).where('kind', '=', p.kind),
  )
  const used = async (user: number, kind: StorageKind) => (await amount.get({ user, kind }))?.amount ?? 0

  return {
    used,

    async within(user, kind, write) {
      const max = sql.storageLimits[kind]
      if (max === undefined) return write()
      const before = await used(user, kind)
      const result = await write()
      // The trigger's change of the row has made others wait: what they stored before is in it, and nothing comes now.
      const after = await used(user, kind)
      if (after > max && after > before) throw new StorageFullError(kind, max)
      return result
    },

    async room(user, kind) {
      const max = sql.storageLimits[kind]
      if (max === undefined) return Number.POSITIVE_INFINITY
      await sql.run('UPDATE storage_use SET amount = amount WHERE user_nid = ? AND kind = ?', [user, kind])
      return max - (await used(user, kind))
    },
  }
}
