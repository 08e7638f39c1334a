export interface AccountDataTables {
  account_data: {
    user_nid: number
    /** '' = global */
    room_id: string
    type: string
    /** JSON */
    content: string
    position: number
  }
}
