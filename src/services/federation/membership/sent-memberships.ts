/** `send_join`, `send_knock` and `send_leave` as the resident server takes them. */
import type { Event } from '#core/event/event.ts'
import { viewEvent } from '#core/event/parse-event.ts'
import { addEventSignature } from '#core/event/sign.ts'
import { isUserId, serverOf } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { member } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import type { AdmitEvent } from '#services/federation/membership/admit-event.ts'
import type { EventSignatures } from '#services/federation/membership/event-signatures.ts'
import { refusedRestrictedJoin } from '#services/federation/membership/member-templates.ts'
import type { HandshakeMembership } from '#services/federation/membership/own-member-event.ts'
import { strippedStateOf } from '#services/federation/membership/own-stripped-state.ts'
import { checkResident } from '#services/federation/membership/resident-room.ts'
import { type SendJoinAnswer, sendJoinAnswer } from '#services/federation/membership/send-join-answer.ts'
import { readSentEvent, type SentEvent } from '#services/federation/membership/sent-member-event.ts'
import { judgeRestrictedJoin } from '#services/rooms/members/restricted-joins.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import type { EventRow } from '#store/types/events.ts'

type Deps = {
  readonly context: RoomContext
  readonly signatures: EventSignatures
  readonly take: AdmitEvent
  /** "The resident server must also send the event to other servers participating in the room." */
  readonly passOn: (row: EventRow) => Promise<void>
}

/**
 * Lets member events of other servers' users into rooms. All methods throw M_NOT_FOUND for rooms that this server isn't
 * in; M_INVALID_PARAM, M_BAD_JSON or M_TOO_LARGE for an event that the request may not send; M_FORBIDDEN where the room
 * refuses it.
 */
export class SentMemberships {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** @throws also M_UNABLE_TO_AUTHORISE_JOIN, M_UNABLE_TO_GRANT_JOIN */
  async join(sent: SentEvent, omitMembers: boolean): Promise<SendJoinAnswer> {
    const row = await this.#send(sent, 'join')
    return sendJoinAnswer(this.#deps.context.store, row, omitMembers)
  }

  /** What the user may know of the room. */
  async knock(sent: SentEvent): Promise<readonly JsonObject[]> {
    const { roomNid } = await this.#send(sent, 'knock')
    return this.#deps.context.store.read((tx) => strippedStateOf(tx, roomNid, []))
  }

  async leave(sent: SentEvent): Promise<void> {
    await this.#send(sent, 'leave')
  }

  async #send(sent: SentEvent, membership: HandshakeMembership): Promise<EventRow> {
    const { store } = this.#deps.context
    const { version } = await store.read((tx) => checkResident(tx, sent.roomId, sent.origin))
    const rules = ROOM_VERSIONS.get(version)
    if (rules === undefined) throw new MatrixError('M_NOT_FOUND', 'This server does not know the room version')
    const event = readSentEvent(sent, membership, rules)
    // Before anything of ours is put under it.
    await this.#deps.signatures.checkSignedBy(event, sent.origin)
    const row = await this.#deps.take(await this.#vouchedFor(event), sent.origin)
    await this.#deps.passOn(row)
    return row
  }

  /**
   * The event with this server's signature where it names a local user as the one who vouches for a restricted join:
   * "the signature must be added before sending or persisting the event". Whether that user may, the rules say.
   */
  async #vouchedFor(event: Event): Promise<Event> {
    const via = member(event.content, 'join_authorised_via_users_server')
    const { context } = this.#deps
    if (!event.rules.auth.restrictedJoin || member(event.content, 'membership') !== 'join') return event
    if (typeof via !== 'string' || !isUserId(via) || serverOf(via) !== context.serverName) return event
    const join = await context.queues.run(event.roomId, {
      run: (draft) => judgeRestrictedJoin(context, draft, event.sender),
    })
    if (join.outcome !== 'granted' && join.outcome !== 'unrestricted') throw refusedRestrictedJoin(join.outcome)
    return viewEvent(addEventSignature(event.json, event.rules, context.signer), event.rules, event.eventId)
  }
}
