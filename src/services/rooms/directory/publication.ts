import { globMatches } from '#core/glob.ts'
import type { RoomAlias, RoomId, UserId } from '#core/ids.ts'
import { forbidden } from '#core/matrix-error.ts'

/** One of the configuration's `rooms.publication`: it fits what all its globs match. */
export type PublicationRule = {
  readonly action: 'allow' | 'deny'
  readonly user_id?: string | undefined
  readonly room_id?: string | undefined
  readonly alias?: string | undefined
}

/** A room that somebody wants in the list of published ones. */
export type Publication = {
  readonly userId: UserId
  readonly roomId: RoomId
  readonly aliases: readonly RoomAlias[]
}

/** The first rule that fits decides; where none does, nobody may. @throws M_FORBIDDEN */
export function assertMayPublish(rules: readonly PublicationRule[], publication: Publication): void {
  const rule = rules.find((candidate) => fits(candidate, publication))
  if (rule?.action !== 'allow') throw forbidden("This server's rules don't let you publish this room")
}

function fits(rule: PublicationRule, { userId, roomId, aliases }: Publication): boolean {
  if (rule.user_id !== undefined && !globMatches(rule.user_id, userId)) return false
  if (rule.room_id !== undefined && !globMatches(rule.room_id, roomId)) return false
  const { alias } = rule
  return alias === undefined || alias === '*' || aliases.some((one) => globMatches(alias, one))
}
