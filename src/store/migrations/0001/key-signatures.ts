import type { DomainTables } from '#store/migrations/ddl.ts'

export const keySignaturesTables: DomainTables = (d) => [
  `CREATE TABLE key_signatures (
    target_nid ${d.int} NOT NULL REFERENCES users (nid),
    target_key_id ${d.text} NOT NULL,
    signer_nid ${d.int} NOT NULL REFERENCES users (nid),
    signer_key_id ${d.text} NOT NULL,
    signature ${d.text} NOT NULL,
    position ${d.int} NOT NULL,
    PRIMARY KEY (target_nid, signer_nid, target_key_id, signer_key_id)
  )${d.clustered}`,
  'CREATE INDEX key_signatures_signer ON key_signatures (signer_nid, position)',
]
