/** What is counted of each user's stored data, each with a limit of its own. */
export const STORAGE_KINDS = [
  'account_data',
  'key_backup',
  'encryption_keys',
  'devices',
  'filters',
  'profile',
  'receipts',
  'aliases',
  'to_device',
  'queued_to_device',
] as const
export type StorageKind = (typeof STORAGE_KINDS)[number]

/** The most that one user may store of each kind: bytes, or rows where the kind counts rows. Absent = no limit. */
export type StorageLimits = Readonly<Partial<Record<StorageKind, number>>>

export interface StorageUseReader {
  /** How much the user has stored of a kind. */
  used(user: number, kind: StorageKind): Promise<number>
}
