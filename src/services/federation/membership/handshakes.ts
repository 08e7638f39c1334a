/** The joining side of joining, knocking and leaving by way of servers that are in the room. */
import type { Event } from '#core/event/event.ts'
import type { Signer } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import type { JsonValue } from '#core/json/value.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import type { HandshakeFailures } from '#services/federation/membership/handshake-failures.ts'
import { ownMemberEvent, type WantedMembership } from '#services/federation/membership/own-member-event.ts'
import { withServerFailover } from '#services/federation/membership/server-failover.ts'
import type { FederationClient, FederationReply } from '#services/federation/transport/federation-client.ts'

/** The answer to a join holds the room's state. */
const SEND_JOIN_BYTES_MAX = 256 * 1024 * 1024
const SEND_TIMEOUT_MS = 60_000

/** An event that a resident server has taken. */
export type Handshake = {
  readonly server: ServerName
  readonly event: Event
  /** The body of its answer, of which nothing has been checked. */
  readonly answer: JsonValue
}

type Deps = {
  readonly client: FederationClient
  readonly signer: Signer
  /** Random text for the event ids of room versions 1 and 2. */
  readonly newLocalpart: () => string
  readonly clock: () => number
}

export class Handshakes {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Asks the servers in turn until one has taken the event and `take` is content with its answer. What `take` throws as
   * MalformedAnswerError or MatrixError is that server's failure.
   *
   * @throws MatrixError of the most telling failure
   */
  async perform<T>(
    wanted: WantedMembership,
    servers: readonly ServerName[],
    take: (handshake: Handshake) => Promise<T>,
  ): Promise<T> {
    const { client, signer, clock } = this.#deps
    return withServerFailover(
      { servers: client.backOff.reachableFirst(servers), own: signer.name, clock },
      async (server, failures) => {
        const event = await this.#made(wanted, server, failures)
        const answer = event === null ? null : await this.#sent(wanted, event, server, failures)
        return event === null || answer === null ? null : { value: await take({ server, event, answer: answer.json }) }
      },
    )
  }

  async #made(wanted: WantedMembership, server: ServerName, failures: HandshakeFailures): Promise<Event | null> {
    const { roomId, userId, membership } = wanted
    const versions = [...ROOM_VERSIONS.keys()].map((version) => `ver=${encodeURIComponent(version)}`).join('&')
    const query = membership === 'leave' ? '' : `?${versions}`
    const path = `make_${membership}/${encodeURIComponent(roomId)}/${encodeURIComponent(userId)}`
    const made = await this.#deps.client.request({
      destination: server,
      method: 'GET',
      uri: `/_matrix/federation/v1/${path}${query}`,
      // A user waits for it, and there may be no other server to ask.
      evenWhilePaused: true,
    })
    if (made.outcome === 'answered') {
      return ownMemberEvent(made.json, wanted, this.#deps.signer, this.#deps.newLocalpart)
    }
    failures.add(server, made)
    return null
  }

  async #sent(
    { roomId, membership }: WantedMembership,
    event: Event,
    server: ServerName,
    failures: HandshakeFailures,
  ): Promise<{ readonly json: JsonValue } | null> {
    const path = `send_${membership}/${encodeURIComponent(roomId)}/${encodeURIComponent(event.eventId)}`
    const put = (uri: string) =>
      this.#deps.client.request({
        destination: server,
        method: 'PUT',
        uri,
        body: event.json,
        timeoutMs: SEND_TIMEOUT_MS,
        bytesMax: SEND_JOIN_BYTES_MAX,
      })
    // Knocks came after version 2 of the others, and stayed with version 1.
    const version = membership === 'knock' ? 'v1' : 'v2'
    const query = membership === 'join' ? '?omit_members=true' : ''
    const reply = await put(`/_matrix/federation/${version}/${path}${query}`)
    if (reply.outcome === 'answered') return { json: reply.json }
    if (membership !== 'knock' && isUnknownEndpoint(reply)) {
      const old = await put(`/_matrix/federation/v1/${path}`)
      // "The value `200`", then the body.
      if (old.outcome === 'answered') return { json: Array.isArray(old.json) ? (old.json[1] ?? null) : null }
    }
    failures.add(server, reply)
    return null
  }
}

/** "M_UNRECOGNIZED … 404"; servers that are older than that answer 400 or 404 without an error code. */
function isUnknownEndpoint(reply: FederationReply): boolean {
  if (reply.outcome !== 'refused') return false
  return reply.errcode === 'M_UNRECOGNIZED' || (reply.errcode === null && reply.status === 404)
}
