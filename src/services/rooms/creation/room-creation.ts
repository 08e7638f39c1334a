import { fitsIdLimit, isRoomAlias, isUserId, type RoomAlias, type RoomId, serverOf, type UserId } from '#core/ids.ts'
import { type JsonObject, member } from '#core/json/value.ts'
import { badJson, invalidParam, MatrixError, tooLarge } from '#core/matrix-error.ts'
import { ROOM_VERSIONS, type RoomVersionRules } from '#core/room-versions.ts'
import {
  type CreateRoomRequest,
  createContent,
  type InitialState,
  initialState,
} from '#services/rooms/creation/initial-state.ts'
import { assertMayPublish } from '#services/rooms/directory/publication.ts'
import { checkInvitee } from '#services/rooms/members/invitations.ts'
import { profileContent } from '#services/rooms/members/member-content.ts'
import { transferSettings } from '#services/rooms/members/settings-transfer.ts'
import { writeNewRoom } from '#services/rooms/pipeline/commit.ts'
import { RoomDraft } from '#services/rooms/queue/room-draft.ts'
import { emptyHead } from '#services/rooms/queue/room-head.ts'
import { RefusedEventError } from '#services/rooms/refused-event-error.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import { checkStateContent } from '#services/rooms/sending/state-content.ts'
import { TimeSlice } from '#services/time/time-slice.ts'

/** Each is an event that is signed and authorised; and who makes a room asks for all of them at once. */
export const INITIAL_STATE_MAX = 1_000
export const INVITES_MAX = 1_000
/** Profiles that are read at once. */
const PROFILES_AT_ONCE = 50

/** What a new room begins with. */
export type NewRoom = {
  readonly creator: UserId
  readonly createContent: JsonObject
  readonly creatorProfile: JsonObject
  /** What the creator sends after joining, in order. */
  readonly state: readonly InitialState[]
  /** Local aliases that will point to the room, whoever writes them. */
  readonly aliases: readonly RoomAlias[]
}

/** Makes rooms. All that a new room begins with is written at once, or nothing of it. */
export class RoomCreation {
  readonly #context: RoomContext
  #lastCreateTs = 0

  constructor(context: RoomContext) {
    this.#context = context
  }

  /**
   * `POST /createRoom`. Of those to be invited, users of other servers are left to the caller: their servers are asked
   * first, and only when the room is there.
   *
   * @throws M_UNSUPPORTED_ROOM_VERSION; M_INVALID_PARAM for the alias; M_ROOM_IN_USE when it is taken;
   *   M_INVALID_ROOM_STATE where the new room's own rules refuse one of the events; M_INVITE_BLOCKED; M_TOO_LARGE
   */
  async create(creator: UserId, request: CreateRoomRequest): Promise<RoomId> {
    assertShort('initial_state', request.initial_state, INITIAL_STATE_MAX)
    assertShort('invite', request.invite, INVITES_MAX)
    const rules = this.rulesOf(request.room_version ?? this.#context.settings.defaultVersion)
    // Forms send an empty field for no alias.
    const alias = request.room_alias_name ? this.#alias(request.room_alias_name) : null
    const invitees = [...new Set(request.invite)]
    for (const invitee of invitees) this.#limitInvite(creator, invitee)
    const ours = invitees.filter((invitee) => serverOf(invitee) === this.#context.serverName)
    const profiles = await this.#profiles(creator, [...ours, ...invitedByState(request)])
    const plan: NewRoom = {
      creator,
      createContent: createContent(request, rules, creator),
      creatorProfile: profiles.get(creator) ?? {},
      state: [
        ...initialState(request, rules, creator, alias),
        ...ours.map((invitee) => invitation(invitee, profiles.get(invitee) ?? {}, request.is_direct)),
      ],
      aliases: alias === null ? [] : [alias],
    }
    const draft = await this.draft(rules, plan, this.newRoomId(rules))
    if (alias !== null) {
      draft.alongside(async (tx, room) => {
        if (!(await tx.rooms.putAlias(alias, room, creator))) throw roomInUse(alias)
      })
    }
    if (request.visibility === 'public') {
      const { publication } = this.#context.settings
      assertMayPublish(publication, { userId: creator, roomId: draft.roomId, aliases: plan.aliases })
      draft.alongside((tx, room) => tx.rooms.setPublished(room, true))
    }
    await this.#context.store.write((tx) => writeNewRoom(tx, draft))
    await transferSettings(this.#context, creator, draft.roomId)
    return draft.roomId
  }

  /** @throws M_UNSUPPORTED_ROOM_VERSION */
  rulesOf(version: string): RoomVersionRules {
    const rules = ROOM_VERSIONS.get(version)
    if (rules === undefined) {
      throw new MatrixError('M_UNSUPPORTED_ROOM_VERSION', `This server does not know room version "${version}"`)
    }
    return rules
  }

  /** The id of a new room; null where its create event will make it. */
  newRoomId(rules: RoomVersionRules): RoomId | null {
    if (rules.roomIdIsCreateHash) return null
    return `!${this.#context.newLocalpart()}:${this.#context.serverName}` as RoomId
  }

  /**
   * All events of a new room, authorised but not yet written.
   *
   * @throws M_INVALID_ROOM_STATE naming the rule that refuses one of them
   */
  async draft(rules: RoomVersionRules, room: NewRoom, roomId: RoomId | null): Promise<RoomDraft> {
    const { creator } = room
    const timeSlice = new TimeSlice()
    const draft = new RoomDraft(this.#context, emptyHead(rules), roomId)
    try {
      const create = { type: 'm.room.create', stateKey: '', sender: creator, content: room.createContent }
      await draft.send({ ...create, originServerTs: this.#newCreateTs() })
      const join = { ...room.creatorProfile, membership: 'join' }
      await draft.send({ type: 'm.room.member', stateKey: creator, sender: creator, content: join })
      for (const { type, state_key: stateKey = '', content } of room.state) {
        await checkStateContent(this.#context, draft, { type, stateKey, content }, room.aliases)
        await draft.send({ type, stateKey, sender: creator, content })
        await timeSlice.yieldIfDue()
      }
    } catch (error) {
      if (error instanceof RefusedEventError) throw new MatrixError('M_INVALID_ROOM_STATE', error.message)
      throw error
    }
    return draft
  }

  /**
   * A time that no other create event has: two rooms of version 12 that are alike in everything else, down to the
   * millisecond, would have the same id.
   */
  #newCreateTs(): number {
    this.#lastCreateTs = Math.max(this.#context.clock(), this.#lastCreateTs + 1)
    return this.#lastCreateTs
  }

  #alias(localpart: string): RoomAlias {
    const alias = `#${localpart}:${this.#context.serverName}`
    if (localpart.includes(':') || !fitsIdLimit(alias) || !isRoomAlias(alias)) {
      throw invalidParam('room_alias_name can not be part of an alias')
    }
    return alias
  }

  #limitInvite(issuer: UserId, target: UserId): void {
    this.#context.limiter.take('invitePerIssuer', issuer)
    this.#context.limiter.take('invitePerTarget', target)
  }

  async #profiles(creator: UserId, invitees: readonly UserId[]): Promise<Map<UserId, JsonObject>> {
    const { store, serverName } = this.#context
    const profiles = new Map<UserId, JsonObject>()
    const timeSlice = new TimeSlice()
    const all = [creator, ...invitees]
    for (let at = 0; at < all.length; at += PROFILES_AT_ONCE) {
      await store.read(async (tx) => {
        for (const userId of all.slice(at, at + PROFILES_AT_ONCE)) {
          if (userId !== creator) await checkInvitee(tx, userId, serverName)
          profiles.set(userId, await profileContent(tx, userId, serverName))
        }
      })
      await timeSlice.yieldIfDue()
    }
    return profiles
  }
}

function assertShort(name: string, list: readonly unknown[] | undefined, max: number): void {
  if (list !== undefined && list.length > max) throw tooLarge(`'${name}' may have at most ${max} entries`)
}

export function roomInUse(alias: RoomAlias): MatrixError {
  return new MatrixError('M_ROOM_IN_USE', `The alias ${alias} is taken`)
}

/** @throws M_BAD_JSON for a member event that is nobody's */
function invitedByState(request: CreateRoomRequest): UserId[] {
  const members = (request.initial_state ?? []).filter(({ type }) => type === 'm.room.member')
  return members.flatMap(({ state_key: userId = '', content }) => {
    if (!isUserId(userId)) throw badJson('The state key of m.room.member must be a user id')
    return member(content, 'membership') === 'invite' ? [userId] : []
  })
}

function invitation(invitee: UserId, profile: JsonObject, isDirect: boolean | undefined): InitialState {
  const content = { ...profile, membership: 'invite', ...(isDirect === undefined ? {} : { is_direct: isDirect }) }
  return { type: 'm.room.member', state_key: invitee, content }
}
