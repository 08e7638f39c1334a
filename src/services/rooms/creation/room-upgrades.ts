import type { EventId, RoomAlias, RoomId, UserId } from '#core/ids.ts'
import { type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'
import type { InitialState } from '#services/rooms/creation/initial-state.ts'
import type { RoomCreation } from '#services/rooms/creation/room-creation.ts'
import { closedPowerLevels, upgradedPowerLevels } from '#services/rooms/creation/upgraded-power-levels.ts'
import { membershipOf, profileContent } from '#services/rooms/members/member-content.ts'
import { transferSettings } from '#services/rooms/members/settings-transfer.ts'
import { writeNewRoom } from '#services/rooms/pipeline/commit.ts'
import type { RoomDraft } from '#services/rooms/queue/room-draft.ts'
import { RefusedEventError } from '#services/rooms/refused-event-error.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import type { Tx } from '#store/store.ts'
import type { RoomNid } from '#store/types/rooms.ts'

export type UpgradeRequest = {
  readonly newVersion: string
  /** Who else shall be a creator, in versions that have several. */
  readonly additionalCreators: readonly UserId[]
}

/** State that goes along to the new room: "the recommended state events to transfer", but for those that change with it. */
const TRANSFERRED = [
  'm.room.server_acl',
  'm.room.encryption',
  'm.room.name',
  'm.room.avatar',
  'm.room.topic',
  'm.room.guest_access',
  'm.room.history_visibility',
] as const

/** Replaces rooms by new ones of another version ("Room Upgrades"). */
export class RoomUpgrades {
  readonly #context: RoomContext
  readonly #creation: RoomCreation

  constructor(context: RoomContext, creation: RoomCreation) {
    this.#context = context
    this.#creation = creation
  }

  /**
   * Makes the new room, moves the aliases and closes the old room, all at once.
   *
   * @throws M_UNSUPPORTED_ROOM_VERSION; M_FORBIDDEN for those who may not send `m.room.tombstone`
   */
  async upgrade(userId: UserId, roomId: RoomId, request: UpgradeRequest): Promise<RoomId> {
    const rules = this.#creation.rulesOf(request.newVersion)
    const newRoomId = await this.#context.queues.run(roomId, {
      run: (draft) => this.#upgrade(draft, userId, rules, request),
    })
    await transferSettings(this.#context, userId, newRoomId)
    return newRoomId
  }

  async #upgrade(
    old: RoomDraft,
    userId: UserId,
    rules: RoomVersionRules,
    { additionalCreators }: UpgradeRequest,
  ): Promise<RoomId> {
    const newRoomId = this.#creation.newRoomId(rules)
    const mark = old.mark()
    const tombstone = await sendTombstone(old, userId, newRoomId ?? '')
    // Only the user's right to send it was of interest where the new room's id isn't known yet.
    if (newRoomId === null) old.rollback(mark)
    const facts = await this.#facts(old, userId)
    const creators = [userId, ...additionalCreators.filter((other) => other !== userId)]
    const levels = await upgradedPowerLevels(old, rules, creators, TRANSFERRED)
    const createContent = await newCreateContent(old, rules, creators, newRoomId === null ? null : tombstone)
    const state: InitialState[] = [
      { type: 'm.room.power_levels', content: levels.first },
      ...(await transferredState(old, rules, facts.aliases)),
      ...(await bans(old, facts.banned)),
      ...(levels.last === null ? [] : [{ type: 'm.room.power_levels', content: levels.last }]),
    ]
    const plan = { creator: userId, createContent, creatorProfile: facts.profile, state, aliases: facts.aliases }
    const replacement = await this.#creation.draft(rules, plan, newRoomId)
    if (newRoomId === null) await sendTombstone(old, userId, replacement.roomId)
    await closeOldRoom(old, userId, facts.aliases)
    old.alongside((tx, oldNid) => replace(tx, oldNid, replacement))
    return replacement.roomId
  }

  #facts(old: RoomDraft, userId: UserId) {
    return this.#context.store.read(async (tx) => {
      const banned = await tx.memberships.ofRoom(old.roomNid, ['ban'])
      return {
        aliases: (await tx.rooms.aliases(old.roomNid)).map(({ alias }): RoomAlias => alias),
        profile: await profileContent(tx, userId, this.#context.serverName),
        banned: [...(await tx.users.userIds(banned.map((row) => row.userNid))).values()],
      }
    })
  }
}

async function sendTombstone(old: RoomDraft, userId: UserId, replacement: string): Promise<EventId> {
  const content = { body: 'This room has been replaced', replacement_room: replacement }
  const event = await old.send({ type: 'm.room.tombstone', stateKey: '', sender: userId, content })
  return event.eventId
}

/** "a `predecessor` field, the applicable `room_version`, and a `type` field which is copied". */
async function newCreateContent(
  old: RoomDraft,
  rules: RoomVersionRules,
  creators: readonly UserId[],
  /** null where the new room's id, which the tombstone names, hangs on this content. */
  tombstone: EventId | null,
): Promise<JsonObject> {
  const content = (await old.state('m.room.create', ''))?.content ?? {}
  const [creator = '', ...others] = creators
  const copied: Record<string, JsonValue> = {}
  for (const key of ['type', 'm.federate']) {
    const value = member(content, key)
    if (value !== undefined) copied[key] = value
  }
  return {
    ...copied,
    ...(rules.auth.createNamesCreator ? { creator } : {}),
    room_version: rules.version,
    predecessor: { room_id: old.roomId, ...(tombstone === null ? {} : { event_id: tombstone }) },
    ...(rules.auth.privilegedCreators && others.length > 0 ? { additional_creators: [...new Set(others)] } : {}),
  }
}

async function transferredState(
  old: RoomDraft,
  rules: RoomVersionRules,
  aliases: readonly RoomAlias[],
): Promise<InitialState[]> {
  const state: InitialState[] = []
  for (const type of TRANSFERRED) {
    const event = await old.state(type, '')
    if (event !== null) state.push({ type, content: event.content })
  }
  const joinRules = await old.state('m.room.join_rules', '')
  if (joinRules !== null) state.push({ type: 'm.room.join_rules', content: knownJoinRules(joinRules.content, rules) })
  const canonical = await old.state('m.room.canonical_alias', '')
  const content = canonical === null ? null : movedAliases(canonical.content, aliases)
  if (content !== null) state.push({ type: 'm.room.canonical_alias', content })
  return state
}

/** The join rules, or `invite` where the new version doesn't know the rule: then nobody could join. */
function knownJoinRules(content: JsonObject, { auth }: RoomVersionRules): JsonObject {
  const rule = member(content, 'join_rule')
  const known =
    rule === 'public' ||
    rule === 'invite' ||
    (rule === 'knock' && auth.knock) ||
    (rule === 'restricted' && auth.restrictedJoin) ||
    (rule === 'knock_restricted' && auth.knockRestricted)
  return known ? content : { join_rule: 'invite' }
}

/** The canonical aliases that move to the new room; null for none. */
function movedAliases(content: JsonObject, aliases: readonly RoomAlias[]): JsonObject | null {
  const isMoved = (alias: JsonValue | undefined) => aliases.some((moved) => moved === alias)
  const alias = member(content, 'alias')
  const listed = member(content, 'alt_aliases')
  const alternatives = (Array.isArray(listed) ? (listed as readonly JsonValue[]) : []).filter(isMoved)
  if (!isMoved(alias) && alternatives.length === 0) return null
  return {
    ...(alias !== undefined && isMoved(alias) ? { alias } : {}),
    ...(alternatives.length > 0 ? { alt_aliases: alternatives } : {}),
  }
}

/** The canonical aliases that stay: those of other servers point to the old room for as long as their servers say so. */
function leftAliases(content: JsonObject, aliases: readonly RoomAlias[]): JsonObject {
  const stays = (alias: JsonValue | undefined) =>
    typeof alias === 'string' && alias !== '' && !aliases.some((moved) => moved === alias)
  const alias = member(content, 'alias')
  const listed = member(content, 'alt_aliases')
  const alternatives = (Array.isArray(listed) ? (listed as readonly JsonValue[]) : []).filter(stays)
  return {
    ...(alias !== undefined && stays(alias) ? { alias } : {}),
    ...(alternatives.length > 0 ? { alt_aliases: alternatives } : {}),
  }
}

/** Who is banned from the old room stays out of the new one. */
async function bans(old: RoomDraft, banned: readonly UserId[]): Promise<InitialState[]> {
  const state: InitialState[] = []
  for (const userId of banned) {
    const event = await old.state('m.room.member', userId)
    if (event === null || membershipOf(event) !== 'ban') continue
    const reason = member(event.content, 'reason')
    const content = { membership: 'ban', ...(typeof reason === 'string' ? { reason } : {}) }
    state.push({ type: 'm.room.member', state_key: userId, content })
  }
  return state
}

/** "If possible, the power levels in the old room should also be modified to prevent sending of events". */
async function closeOldRoom(old: RoomDraft, userId: UserId, moved: readonly RoomAlias[]): Promise<void> {
  const levels = await old.state('m.room.power_levels', '')
  const canonical = await old.state('m.room.canonical_alias', '')
  const changes = [
    ...(canonical === null ? [] : [{ type: 'm.room.canonical_alias', content: leftAliases(canonical.content, moved) }]),
    ...(levels === null ? [] : [{ type: 'm.room.power_levels', content: closedPowerLevels(levels) }]),
  ]
  for (const { type, content } of changes) {
    try {
      await old.send({ type, stateKey: '', sender: userId, content })
    } catch (error) {
      if (!(error instanceof RefusedEventError)) throw error
    }
  }
}

/** Writes the new room, and what points to the old one from now on points to it. */
async function replace(tx: Tx, oldNid: RoomNid, replacement: RoomDraft): Promise<void> {
  const newNid = await writeNewRoom(tx, replacement)
  for (const { alias, creator } of await tx.rooms.aliases(oldNid)) {
    await tx.rooms.deleteAlias(alias)
    await tx.rooms.putAlias(alias, newNid, creator)
  }
  const old = await tx.rooms.byNid(oldNid)
  if (old?.published !== true) return
  await tx.rooms.setPublished(oldNid, false)
  await tx.rooms.setPublished(newNid, true)
}
