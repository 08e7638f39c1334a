export interface FiltersTables {
  /** Filters that clients uploaded, numbered for each user. */
  filters: {
    user_nid: number
    id: number
    hash: string
    /** JSON */
    content: string
  }
}
