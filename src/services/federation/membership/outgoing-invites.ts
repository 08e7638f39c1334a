/** Invites of users of other servers, whose servers sign them first. */
import type { Event } from '#core/event/event.ts'
import { expectEvent, viewEvent } from '#core/event/parse-event.ts'
import { type RoomId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'
import type { AdmitEvent } from '#services/federation/membership/admit-event.ts'
import type { EventSignatures } from '#services/federation/membership/event-signatures.ts'
import { HandshakeFailures } from '#services/federation/membership/handshake-failures.ts'
import { strippedStateOf } from '#services/federation/membership/own-stripped-state.ts'
import type { FederationClient, FederationReply } from '#services/federation/transport/federation-client.ts'
import { membershipOf } from '#services/rooms/members/member-content.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import type { EventRow } from '#store/types/events.ts'

/** An invite that a local user wants to send; one of a third-party identifier may be another server's user's. */
export type OutgoingInvite = {
  readonly sender: UserId
  readonly roomId: RoomId
  readonly target: UserId
  /** Besides `membership`. */
  readonly content: JsonObject
}

type Deps = {
  readonly context: RoomContext
  readonly client: FederationClient
  readonly signatures: EventSignatures
  readonly take: AdmitEvent
  /** Sends an event of another server's user to those in the room. */
  readonly passOn: (row: EventRow) => Promise<void>
}

type Prepared = { readonly event: Event; readonly state: readonly JsonObject[] }

export class OutgoingInvites {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Invites; nothing happens to one who is invited. The room is not held up while the other server is asked: its event
   * then stands where the room was before.
   *
   * @throws M_FORBIDDEN, M_INVITE_BLOCKED, M_UNSUPPORTED_ROOM_VERSION; M_UNKNOWN (502) where the server can't be asked
   */
  async invite(invite: OutgoingInvite): Promise<void> {
    const prepared = await this.#prepare(invite)
    if (prepared === null) return
    const server = serverOf(invite.target)
    const signed = await this.#signedBy(server, prepared)
    const { event } = prepared
    const signatures = { ...(signed['signatures'] as JsonObject), ...(event.json['signatures'] as JsonObject) }
    const row = await this.#deps.take(viewEvent({ ...event.json, signatures }, event.rules, event.eventId), server)
    if (serverOf(event.sender) !== this.#deps.context.serverName) await this.#deps.passOn(row)
  }

  /** Builds the event, authorised by the room's present state, without adding it. null where the user is invited. */
  #prepare({ sender, roomId, target, content }: OutgoingInvite): Promise<Prepared | null> {
    const { queues, store } = this.#deps.context
    return queues.run(roomId, {
      run: async (draft) => {
        if (membershipOf(await draft.state('m.room.member', target)) === 'invite') return null
        const mark = draft.mark()
        const event = await draft.send({
          type: 'm.room.member',
          stateKey: target,
          sender,
          content: { ...content, membership: 'invite' },
        })
        draft.rollback(mark)
        return { event, state: await store.read((tx) => strippedStateOf(tx, draft.roomNid, [sender])) }
      },
    })
  }

  /** The event as the invited user's server returns it: the same, with its signature. */
  async #signedBy(server: ServerName, { event, state }: Prepared): Promise<JsonObject> {
    const reply = await this.#ask(server, event, state)
    const failures = new HandshakeFailures()
    if (reply.outcome !== 'answered') {
      failures.add(server, reply)
      const { error } = failures
      if (error.errcode !== 'M_INCOMPATIBLE_ROOM_VERSION') throw error
      throw new MatrixError('M_UNSUPPORTED_ROOM_VERSION', `${server} does not have the version of the room`)
    }
    try {
      const body = Array.isArray(reply.json) ? (reply.json[1] as JsonValue | undefined) : reply.json
      const json = body !== undefined && isJsonObject(body) ? member(body, 'event') : undefined
      if (!isJsonObject(json)) throw new MatrixError('M_BAD_JSON', 'no event')
      const returned = expectEvent(json, event.rules)
      if (returned.eventId !== event.eventId) throw new MatrixError('M_BAD_JSON', 'another event')
      await this.#deps.signatures.checkSignedBy(returned, server)
      return returned.json
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error
      throw new MatrixError('M_UNKNOWN', `${server} did not sign the invite: ${error.message}`, { status: 502 })
    }
  }

  async #ask(server: ServerName, event: Event, state: readonly JsonObject[]): Promise<FederationReply> {
    const { client } = this.#deps
    const path = `invite/${encodeURIComponent(event.roomId)}/${encodeURIComponent(event.eventId)}`
    const reply = await client.request({
      destination: server,
      method: 'PUT',
      uri: `/_matrix/federation/v2/${path}`,
      body: { room_version: event.rules.version, event: event.json, invite_room_state: state },
      // A user waits for it, and there is no other server to ask.
      evenWhilePaused: true,
    })
    // "Senders which receive a 400 or 404 response … should retry using the v1 API …, if the room version is "1" or "2"".
    const mayBeOld = event.rules.eventIdFormat === 'chosen' && reply.outcome === 'refused'
    if (!mayBeOld || (reply.status !== 400 && reply.status !== 404)) return reply
    const old = await client.request({
      destination: server,
      method: 'PUT',
      uri: `/_matrix/federation/v1/${path}`,
      body: { ...event.json, unsigned: { invite_room_state: state } },
    })
    return old.outcome === 'answered' ? old : reply
  }
}
