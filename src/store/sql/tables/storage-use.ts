export interface StorageUseTables {
  /** How much each user stores, kept by triggers. */
  storage_use: { user_nid: number; kind: string; amount: number }
}
