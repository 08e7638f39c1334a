/** What this server checks of the state that its own users send, beyond what authorises it. */
import { compileServerAcl } from '#core/acl.ts'
import { isRoomAlias, type RoomAlias, serverOf } from '#core/ids.ts'
import { type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { invalidParam } from '#core/matrix-error.ts'
import { checkPowerLevelContent } from '#services/rooms/creation/power-level-content.ts'
import { badAlias } from '#services/rooms/directory/foreign-aliases.ts'
import type { RoomDraft } from '#services/rooms/queue/room-draft.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'

export type WantedState = {
  readonly type: string
  readonly stateKey: string
  readonly content: JsonObject
}

/**
 * @param aliases that are known to point to the room, or will once the draft is committed
 * @throws M_BAD_JSON, M_INVALID_PARAM, M_BAD_ALIAS
 */
export async function checkStateContent(
  context: RoomContext,
  draft: RoomDraft,
  wanted: WantedState,
  aliases: readonly RoomAlias[] = [],
): Promise<void> {
  if (wanted.stateKey !== '') return
  if (wanted.type === 'm.room.power_levels') checkPowerLevelContent(wanted.content)
  if (wanted.type === 'm.room.server_acl') checkServerAcl(wanted.content, context.serverName)
  if (wanted.type === 'm.room.tombstone') checkTombstone(wanted.content, draft)
  if (wanted.type === 'm.room.canonical_alias') await checkCanonicalAlias(context, draft, wanted.content, aliases)
}

/** A list that shuts out this server would end the room for the user who sends it. */
function checkServerAcl(content: JsonObject, ours: string): void {
  if (!compileServerAcl(content).allows(ours)) throw invalidParam('This list would shut out your own server')
}

/** Clients that follow a room which replaces itself never arrive. */
function checkTombstone(content: JsonObject, draft: RoomDraft): void {
  if (member(content, 'replacement_room') === draft.roomId) throw invalidParam('A room can not replace itself')
}

/**
 * "servers SHOULD ensure that any new aliases being listed in the event are valid per their grammar/syntax and that
 * they point to the room ID where the state event is to be sent. Servers do not validate aliases which are being
 * removed or are already present in the state event."
 */
async function checkCanonicalAlias(
  context: RoomContext,
  draft: RoomDraft,
  content: JsonObject,
  aliases: readonly RoomAlias[],
): Promise<void> {
  const known = new Set(aliases)
  const added = (await addedAliases(draft, content)).filter((alias) => !known.has(alias))
  if (added.length === 0) return
  await context.store.read(async (tx) => {
    for (const alias of added) {
      const row = serverOf(alias) === context.serverName ? await tx.rooms.alias(alias) : null
      if (row === null || row.roomNid !== draft.roomNid) throw badAlias(alias)
    }
  })
}

/** The aliases that a `m.room.canonical_alias` would add to those that the room lists. @throws M_INVALID_PARAM */
export async function addedAliases(draft: RoomDraft, content: JsonObject): Promise<RoomAlias[]> {
  const wanted = listedAliases(content)
  for (const alias of wanted) {
    if (typeof alias !== 'string' || !isRoomAlias(alias)) throw invalidParam(`${JSON.stringify(alias)} is not an alias`)
  }
  const current = await draft.state('m.room.canonical_alias', '')
  const present = new Set(current === null ? [] : listedAliases(current.content))
  return [...new Set(wanted as RoomAlias[])].filter((alias) => !present.has(alias))
}

/** `alias` and `alt_aliases`; null and '' unset the former. */
function listedAliases(content: JsonObject): JsonValue[] {
  const alias = member(content, 'alias')
  const alternatives = member(content, 'alt_aliases')
  return [
    ...(alias === undefined || alias === null || alias === '' ? [] : [alias]),
    ...(Array.isArray(alternatives) ? (alternatives as readonly JsonValue[]) : []),
  ]
}
