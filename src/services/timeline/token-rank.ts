import { formatToken, parseToken } from '#services/timeline/tokens.ts'
import type { ReadTx } from '#store/store.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/**
 * The place in a room's timeline that a token of either kind names: just after the event of that rank.
 *
 * @throws M_INVALID_PARAM
 */
export async function rankOfToken(tx: ReadTx, room: RoomNid, text: string): Promise<number> {
  const token = parseToken(text)
  return token.kind === 'timeline' ? token.rank : tx.events.rankAt(room, token.position)
}

/** The token of the place just after the event of that rank. */
export function tokenAtRank(rank: number): string {
  return formatToken({ kind: 'timeline', rank })
}
