/** Asking for invites of local users who own third-party identifiers that were invited to rooms of other servers. */
import { type RoomId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { canonicalJson, checkStrictNumbers } from '#core/json/canonical.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { withServerFailover } from '#services/federation/membership/server-failover.ts'
import type { FederationClient } from '#services/federation/transport/federation-client.ts'
import { readThirdPartySigned } from '#services/rooms/members/third-party-signed.ts'

/** What a user proves to own, and where. */
export type WantedExchange = {
  readonly userId: UserId
  readonly roomId: RoomId
  /** The proof, as the client gave it. */
  readonly signed: JsonObject
}

/** An invite that may come while its exchange is under way. */
type Awaited = { readonly from: ServerName; readonly inviter: UserId; readonly signed: string }

type Deps = {
  readonly client: FederationClient
  readonly serverName: ServerName
  readonly clock: () => number
}

export class ThirdPartyExchanges {
  readonly #deps: Deps
  readonly #awaited = new Map<string, Awaited>()

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Has the user invited, which the asked server does by its own request before it answers. The inviter's server is
   * asked first, then the others. Returns the one that did it. To be called once at a time for a user and a room.
   *
   * @throws M_FORBIDDEN for a proof that is somebody else's or names no invite, M_BAD_JSON for one that can't have been
   *   signed, before anybody is asked; and as `Handshakes.perform`
   */
  async exchange(wanted: WantedExchange, servers: readonly ServerName[]): Promise<ServerName> {
    const { userId, roomId, signed } = wanted
    const { client, serverName: own, clock } = this.#deps
    const { inviter } = readThirdPartySigned(userId, signed)
    // What signed JSON can't hold, nobody has signed.
    checkStrictNumbers(signed)
    const key = keyOf(roomId, userId)
    try {
      return await withServerFailover(
        { servers: [serverOf(inviter), ...servers], own, clock },
        async (server, failures) => {
          this.#awaited.set(key, { from: server, inviter, signed: canonicalJson(signed) })
          const reply = await client.request({
            destination: server,
            method: 'PUT',
            uri: `/_matrix/federation/v1/exchange_third_party_invite/${encodeURIComponent(roomId)}`,
            body: partialInvite(wanted, inviter),
          })
          if (reply.outcome === 'answered') return { value: server }
          failures.add(server, reply)
          return null
        },
      )
    } finally {
      this.#awaited.delete(key)
    }
  }

  /** Whether a server sends the very invite that it is being asked for, in whose name it may then do so. */
  awaits(origin: ServerName, roomId: RoomId, event: JsonObject): boolean {
    const invitee = member(event, 'state_key')
    const awaited = typeof invitee === 'string' ? this.#awaited.get(keyOf(roomId, invitee)) : undefined
    if (awaited === undefined || awaited.from !== origin || awaited.inviter !== member(event, 'sender')) return false
    const content = member(event, 'content')
    const invite = isJsonObject(content) ? member(content, 'third_party_invite') : undefined
    const signed = isJsonObject(invite) ? member(invite, 'signed') : undefined
    return isJsonObject(signed) && canonicalJson(signed) === awaited.signed
  }
}

const keyOf = (roomId: RoomId, userId: string) => `${roomId} ${userId}`

/** "A partial `m.room.member` event." What the room calls the user, only servers in it know. */
function partialInvite({ userId, roomId, signed }: WantedExchange, inviter: UserId): JsonObject {
  const content: JsonValue = { membership: 'invite', third_party_invite: { display_name: '', signed } }
  return { type: 'm.room.member', room_id: roomId, sender: inviter, state_key: userId, content }
}
