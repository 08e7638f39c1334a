import { type RoomAlias, type RoomId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { forbidden, invalidParam, MatrixError, notFound } from '#core/matrix-error.ts'
import type { RoomDraft } from '#services/rooms/queue/room-draft.ts'
import { isJoined, isWorldReadable } from '#services/rooms/room-access.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import { powerLevels, type Sender } from '#services/rooms/sending/redactions.ts'
import type { AliasRow } from '#store/types/rooms.ts'

/** The names that this server gives to rooms ("Room aliases"). */
export class RoomAliases {
  readonly #context: RoomContext

  constructor(context: RoomContext) {
    this.#context = context
  }

  /** @throws M_NOT_FOUND */
  async resolve(alias: RoomAlias): Promise<{ readonly roomId: RoomId; readonly servers: readonly ServerName[] }> {
    const roomId = await this.#context.store.read(async (tx) => {
      const row = await tx.rooms.alias(alias)
      return row === null ? undefined : (await tx.rooms.roomIds([row.roomNid])).get(row.roomNid)
    })
    if (roomId === undefined) throw aliasNotFound(alias)
    return { roomId, servers: [this.#context.serverName] }
  }

  /** The room that a client names, by its id or by an alias. @throws M_NOT_FOUND */
  async roomIdOf(roomIdOrAlias: RoomId | RoomAlias): Promise<RoomId> {
    if (!roomIdOrAlias.startsWith('#')) return roomIdOrAlias as RoomId
    return (await this.resolve(roomIdOrAlias as RoomAlias)).roomId
  }

  /** @throws M_INVALID_PARAM for another server's alias; M_NOT_FOUND, M_FORBIDDEN for the room; M_UNKNOWN if taken */
  async create(userId: UserId, alias: RoomAlias, roomId: RoomId): Promise<void> {
    const { store, serverName, settings } = this.#context
    if (serverOf(alias) !== serverName) throw invalidParam(`This server has no aliases of ${serverOf(alias)}`)
    await store.write(async (tx) => {
      const room = await tx.rooms.byId(roomId)
      if (room === null) throw notFound('This server has no such room')
      if (!settings.aliasesWithoutMembership && !(await isJoined(tx, userId, room.nid))) {
        throw forbidden('Only members of a room may name it')
      }
      if (!(await tx.rooms.putAlias(alias, room.nid, userId))) {
        throw new MatrixError('M_UNKNOWN', `Room alias ${alias} already exists`, { status: 409 })
      }
    })
  }

  /**
   * Takes an alias away: for the user who made it, those who may send the room's `m.room.canonical_alias`, and server
   * administrators. Takes it out of that event too, where the user may.
   *
   * @throws M_NOT_FOUND, M_FORBIDDEN
   */
  async delete(sender: Sender, alias: RoomAlias): Promise<void> {
    const { store, queues } = this.#context
    const found = await store.read(async (tx) => {
      const row = await tx.rooms.alias(alias)
      const roomId = row === null ? undefined : (await tx.rooms.roomIds([row.roomNid])).get(row.roomNid)
      return row === null || roomId === undefined ? null : { row, roomId }
    })
    if (found === null) throw aliasNotFound(alias)
    await queues.run(found.roomId, {
      run: async (draft) => {
        if (!(await mayDelete(draft, sender, found.row))) throw forbidden('You may not delete this alias')
        draft.alongside((tx) => tx.rooms.deleteAlias(alias))
        await unlist(draft, sender.userId, alias)
      },
    })
  }

  /** The aliases of a room. @throws M_FORBIDDEN for those who are not in it, unless everyone may read it */
  ofRoom(userId: UserId, roomId: RoomId): Promise<RoomAlias[]> {
    return this.#context.store.read(async (tx) => {
      const room = await tx.rooms.byId(roomId)
      if (room === null || !((await isJoined(tx, userId, room.nid)) || (await isWorldReadable(tx, room.nid)))) {
        throw forbidden('You are not in this room')
      }
      return (await tx.rooms.aliases(room.nid)).map(({ alias }) => alias)
    })
  }
}

function aliasNotFound(alias: RoomAlias): MatrixError {
  return notFound(`Room alias ${alias} not found`)
}

async function mayDelete(draft: RoomDraft, { userId, isAdmin }: Sender, row: AliasRow): Promise<boolean> {
  if (isAdmin || row.creator === userId) return true
  const levels = await powerLevels(draft)
  return levels.userLevel(userId) >= levels.levelForEvent('m.room.canonical_alias', true)
}

/**
 * Takes an alias out of the room's canonical ones. "delete the alias and return a successful response even if the user
 * does not have permission to update the `m.room.canonical_alias` event".
 */
async function unlist(draft: RoomDraft, userId: UserId, alias: RoomAlias): Promise<void> {
  const event = await draft.state('m.room.canonical_alias', '')
  const content = event === null ? null : withoutAlias(event.content, alias)
  if (content === null) return
  try {
    await draft.send({ type: 'm.room.canonical_alias', stateKey: '', sender: userId, content })
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error
  }
}

/** null where the content doesn't list the alias. */
function withoutAlias(content: JsonObject, alias: RoomAlias): JsonObject | null {
  const { alias: canonical, ...rest } = content
  const listed = member(content, 'alt_aliases')
  const alternatives: readonly JsonValue[] = Array.isArray(listed) ? listed : []
  const isCanonical = canonical === alias
  if (!isCanonical && !alternatives.includes(alias)) return null
  return {
    ...(isCanonical ? rest : content),
    ...(alternatives.length === 0 ? {} : { alt_aliases: alternatives.filter((other) => other !== alias) }),
  }
}
