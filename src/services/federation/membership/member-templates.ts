/** `make_join`, `make_knock` and `make_leave` as the resident server answers them. */
import { checkStateDependent } from '#core/auth/state-dependent.ts'
import { authEventKeys } from '#core/event/auth-events.ts'
import { type Event, stateMapKey } from '#core/event/event.ts'
import { referenceTo } from '#core/event/hash.ts'
import { viewEvent } from '#core/event/parse-event.ts'
import { type EventId, type RoomId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { forbidden, MatrixError } from '#core/matrix-error.ts'
import type { HandshakeMembership } from '#services/federation/membership/own-member-event.ts'
import { checkResident } from '#services/federation/membership/resident-room.ts'
import { membershipOf } from '#services/rooms/members/member-content.ts'
import { judgeRestrictedJoin } from '#services/rooms/members/restricted-joins.ts'
import { nextDepth, type RoomDraft } from '#services/rooms/queue/room-draft.ts'
import { RefusedEventError } from '#services/rooms/refused-event-error.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'

/** Another server asks for the template of a member event of one of its users. */
export type TemplateRequest = {
  readonly origin: ServerName
  readonly roomId: RoomId
  readonly userId: UserId
  readonly membership: HandshakeMembership
  /** The room versions that the asking server has; null where the request doesn't say. */
  readonly versions: readonly string[] | null
}

/** The answer's body. */
export type TemplateAnswer = { readonly room_version: string; readonly event: JsonObject }

/** Makes templates on top of rooms. */
export class MemberTemplates {
  readonly #context: RoomContext

  constructor(context: RoomContext) {
    this.#context = context
  }

  /**
   * @throws M_NOT_FOUND for a room that this server isn't in or doesn't know fully yet; M_INCOMPATIBLE_ROOM_VERSION;
   *   M_UNABLE_TO_AUTHORISE_JOIN, M_UNABLE_TO_GRANT_JOIN; M_FORBIDDEN
   */
  async make(request: TemplateRequest): Promise<TemplateAnswer> {
    const { origin, roomId, userId, versions } = request
    if (serverOf(userId) !== origin) throw forbidden('The user is not of the server that asks')
    const { queues, store } = this.#context
    await store.read((tx) => checkResident(tx, roomId, origin))
    return queues.run(roomId, {
      run: async (draft) => {
        const { version } = draft.rules
        if (versions !== null && !versions.includes(version)) throw incompatibleVersion(version)
        return { room_version: version, event: await this.#template(draft, request) }
      },
    })
  }

  async #template(draft: RoomDraft, { userId, membership }: TemplateRequest): Promise<JsonObject> {
    const via = membership === 'join' ? await this.#vouching(draft, userId) : {}
    const content: JsonObject = { membership, ...via }
    const subject = { type: 'm.room.member', stateKey: userId, sender: userId, content }
    const state = new Map<string, Event>()
    const authEvents: Event[] = []
    for (const [type, stateKey] of authEventKeys(subject, draft.rules)) {
      const event = await draft.state(type, stateKey)
      if (event === null) continue
      authEvents.push(event)
      state.set(stateMapKey(type, stateKey), event)
    }
    const create = await draft.state('m.room.create', '')
    if (create !== null) state.set(stateMapKey('m.room.create', ''), create)
    const tips = draft.nextTips()
    const template: JsonObject = {
      type: 'm.room.member',
      room_id: draft.roomId,
      sender: userId,
      state_key: userId,
      content,
      prev_events: tips.map((tip) => tip.reference) as unknown as JsonValue,
      auth_events: authEvents.map(referenceTo) as unknown as JsonValue,
      depth: nextDepth(tips),
      origin: this.#context.serverName,
      origin_server_ts: this.#context.clock(),
    }
    // It has no id before it is signed, and the rules don't ask for it.
    const event = viewEvent(template, draft.rules, '$' as EventId)
    const result = checkStateDependent(event, (type, stateKey) => state.get(stateMapKey(type, stateKey)))
    if (!result.ok) throw new RefusedEventError(result.rule, result.reason, draft.rules)
    return template
  }

  /** Who of this server vouches for the join, where the room is restricted and the user isn't invited. */
  async #vouching(draft: RoomDraft, userId: UserId): Promise<JsonObject> {
    const current = membershipOf(await draft.state('m.room.member', userId))
    // Those of the last kind the rules refuse, whoever vouches for them.
    if (current === 'invite' || current === 'join' || current === 'ban') return {}
    const join = await judgeRestrictedJoin(this.#context, draft, userId)
    if (join.outcome === 'unrestricted') return {}
    if (join.outcome === 'granted') return { join_authorised_via_users_server: join.via }
    throw refusedRestrictedJoin(join.outcome)
  }
}

/** "If the joining server fails all conditions then a 403 `M_FORBIDDEN` error is used"; otherwise others may be asked. */
export function refusedRestrictedJoin(
  outcome: 'no condition met' | 'rooms unknown' | 'nobody may invite',
): MatrixError {
  switch (outcome) {
    case 'no condition met':
      return forbidden('The user is in none of the rooms whose members may join this one')
    case 'rooms unknown':
      return new MatrixError('M_UNABLE_TO_AUTHORISE_JOIN', 'This server does not know all rooms whose members may join')
    case 'nobody may invite':
      return new MatrixError('M_UNABLE_TO_GRANT_JOIN', 'Nobody on this server may invite to the room')
  }
}

/** 400 with the room's version, which is "required if the `errcode` is `M_INCOMPATIBLE_ROOM_VERSION`". */
export function incompatibleVersion(version: string): MatrixError {
  const message = 'Your homeserver does not support the features required to join this room'
  return new MatrixError('M_INCOMPATIBLE_ROOM_VERSION', message, { extra: { room_version: version } })
}
