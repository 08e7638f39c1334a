/** Aliases of other servers, which only those servers know. */
import type { RoomAlias, RoomId } from '#core/ids.ts'
import { invalidParam, MatrixError, notFound } from '#core/matrix-error.ts'

/** New aliases of other servers in one event. Each is a request to a server. */
export const FOREIGN_ALIASES_MAX = 20

/** Asks the servers of aliases. */
export interface ForeignAliases {
  /** @throws M_NOT_FOUND; 502 where the alias's server can't be asked */
  resolve(alias: RoomAlias): Promise<{ readonly room_id: RoomId }>
}

/** For as long as nobody can ask other servers. */
export const NO_FOREIGN_ALIASES: ForeignAliases = {
  resolve: async (alias) => {
    throw notFound(`Room alias ${alias} not found`)
  },
}

/** @throws M_BAD_ALIAS where one doesn't point to the room; M_INVALID_PARAM for too many; 502 as `resolve` */
export async function checkForeignAliases(
  foreign: ForeignAliases,
  aliases: readonly RoomAlias[],
  roomId: RoomId,
): Promise<void> {
  if (aliases.length > FOREIGN_ALIASES_MAX) {
    throw invalidParam(`At most ${FOREIGN_ALIASES_MAX} aliases of other servers can be added at once`)
  }
  await Promise.all(
    aliases.map(async (alias) => {
      if ((await targetOf(foreign, alias)) !== roomId) throw badAlias(alias)
    }),
  )
}

async function targetOf(foreign: ForeignAliases, alias: RoomAlias): Promise<RoomId | null> {
  try {
    return (await foreign.resolve(alias)).room_id
  } catch (error) {
    if (error instanceof MatrixError && error.errcode === 'M_NOT_FOUND') return null
    throw error
  }
}

export function badAlias(alias: RoomAlias): MatrixError {
  return new MatrixError('M_BAD_ALIAS', `The alias ${alias} does not point to this room`)
}
