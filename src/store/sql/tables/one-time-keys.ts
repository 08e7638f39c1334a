import type { Generated } from 'kysely'

export interface OneTimeKeysTables {
  one_time_keys: {
    id: Generated<number>
    user_nid: number
    device_id: string
    algorithm: string
    key_id: string
    digest: string
    /** null once it was given out: the row stays for a while, so that the key isn't taken a second time. */
    key: string | null
  }
  fallback_keys: {
    user_nid: number
    device_id: string
    algorithm: string
    key_id: string
    key: string
    used: number
  }
}
