import { type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { member } from '#core/json/value.ts'
import { forbidden, MatrixError } from '#core/matrix-error.ts'
import type { ReadTx } from '#store/store.ts'

/**
 * Whether somebody may be invited at all, whatever the room says.
 *
 * @throws M_INVITE_BLOCKED when the user wants no invites (`m.invite_permission_config`); M_FORBIDDEN for users of
 *   other servers, which have to sign the invite first
 */
export async function checkInvitee(tx: ReadTx, invitee: UserId, ours: ServerName): Promise<void> {
  if (serverOf(invitee) !== ours) throw forbidden(`${invitee} is on another server, which has to sign the invite`)
  const nid = await tx.users.nid(invitee)
  if (nid === null) return
  const config = await tx.accountData.get(nid, null, 'm.invite_permission_config')
  if (config !== null && member(config, 'default_action') === 'block') {
    throw new MatrixError('M_INVITE_BLOCKED', `${invitee} accepts no invites`)
  }
}
