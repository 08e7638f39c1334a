export interface CrossSigningKeysTables {
  cross_signing_keys: { user_nid: number; usage: string; public_key: string; key: string }
}
