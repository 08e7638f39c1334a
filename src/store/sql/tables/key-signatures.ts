export interface KeySignaturesTables {
  key_signatures: {
    target_nid: number
    target_key_id: string
    signer_nid: number
    signer_key_id: string
    signature: string
    /** Of the last change, where the signer signed somebody else's key; 0 for their own. */
    position: number
  }
}
