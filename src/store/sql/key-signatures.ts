import { integerList, textList } from '#store/sql/connection.ts'
import { logStore } from '#store/sql/log.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import { storageUse } from '#store/sql/storage-use.ts'
import type { KeySignatureStore } from '#store/types/key-signatures.ts'
import type { UserNid } from '#store/types/users.ts'

export function keySignatureStore(sql: Sql): KeySignatureStore {
  const log = logStore(sql)
  const use = perConnection(sql, storageUse)
  // By way of the users, so that the many who may have signed a key cost nothing.
  const byOwners = sql.prepare((db, p: { targets: string }) =>
    db
      .selectFrom('users')
      .innerJoin('key_signatures as s', (join) =>
        join.onRef('s.target_nid', '=', 'users.nid').onRef('s.signer_nid', '=', 'users.nid'),
      )
      .selectAll('s')
      .where('users.nid', 'in', sql.integers(p.targets)),
  )
  const byViewer = sql.prepare((db, p: { targets: string; viewer: number }) =>
    db
      .selectFrom('key_signatures')
      .selectAll()
      .where('target_nid', 'in', sql.integers(p.targets))
      .where('signer_nid', '=', p.viewer),
  )
  const changed = sql.prepare((db, p: { signer: number; from: number; to: number }) =>
    db
      .selectFrom('key_signatures')
      .select('target_nid')
      .distinct()
      .where('signer_nid', '=', p.signer)
      .where('position', '>', p.from)
      .where('position', '<=', p.to)
      .orderBy('target_nid'),
  )
  const forgetOn = sql.prepare((db, p: { user: number; keyIds: string }) =>
    db.deleteFrom('key_signatures').where('target_nid', '=', p.user).where('target_key_id', 'in', sql.texts(p.keyIds)),
  )
  const forgetBy = sql.prepare((db, p: { user: number; keyIds: string }) =>
    db.deleteFrom('key_signatures').where('signer_nid', '=', p.user).where('signer_key_id', 'in', sql.texts(p.keyIds)),
  )

  return {
    async on(targets, viewer) {
      if (targets.length === 0) return []
      const rows = await byOwners.all({ targets: integerList(targets) })
      if (viewer !== null) {
        const others = targets.filter((target) => target !== viewer)
        rows.push(...(await byViewer.all({ targets: integerList(others), viewer })))
      }
      return rows.map((row) => ({
        target: row.target_nid as UserNid,
        targetKeyId: row.target_key_id,
        signer: row.signer_nid as UserNid,
        signerKeyId: row.signer_key_id,
        signature: row.signature,
      }))
    },

    async changedTargets(signer, from, to) {
      const rows = await changed.all({ signer, from: Math.max(from, 0), to })
      return rows.map((row) => row.target_nid as UserNid)
    },

    async put(signatures) {
      for (const { target, targetKeyId, signer, signerKeyId, signature } of signatures) {
        const position = target === signer ? 0 : await log.append('device_list', { userNid: signer })
        const put = () =>
          sql.run(
            `INSERT INTO key_signatures (target_nid, target_key_id, signer_nid, signer_key_id, signature, position)
             VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (target_nid, signer_nid, target_key_id, signer_key_id)
             DO UPDATE SET signature = excluded.signature, position = excluded.position`,
            [target, targetKeyId, signer, signerKeyId, signature, position],
          )
        await use.within(signer, 'encryption_keys', put)
      }
    },

    async forget(user, keyIds) {
      await forgetOn.run({ user, keyIds: textList(keyIds) })
      await forgetBy.run({ user, keyIds: textList(keyIds.map((keyId) => `ed25519:${keyId}`)) })
    },
  }
}
