export interface ProfilesTables {
  profile_fields: {
    user_nid: number
    field: string
    /** JSON; null for a field that was deleted, which stays so that followers learn of it. */
    value: string | null
    position: number
  }
}
