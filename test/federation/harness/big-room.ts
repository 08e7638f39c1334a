/** A room of many members on a server that the test speaks for, which gives the list of them when it is told to. */
import type { Event } from '#core/event/event.ts'
import { eventIdOf } from '#core/event/hash.ts'
import type { EventId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { RemoteRoom } from '#test/federation/harness/remote-room.ts'
import type { Asked, HostileServer, Reply } from '#test/federation/hostile-server.ts'

const NOT_FOUND: Reply = { status: 404, body: { errcode: 'M_NOT_FOUND', error: 'No such event' } }
const e = encodeURIComponent

export type BigRoomOptions = {
  readonly members: number
  readonly version?: string
  /** Whether a join may be answered without the members. */
  readonly omitsMembers?: boolean
}

export class BigRoom {
  readonly remote: RemoteRoom
  readonly server: HostileServer
  readonly #omitsMembers: boolean
  /** The state before the newest join from elsewhere, as texts: made once, so that answers take no time. */
  #answers = { ids: '', whole: '' }
  #held: PromiseWithResolvers<void> | null = null

  /** A public room, all of whose members are users of one server. */
  constructor(server: HostileServer, { members, version = '11', omitsMembers = true }: BigRoomOptions) {
    this.server = server
    this.#omitsMembers = omitsMembers
    this.remote = new RemoteRoom(version, server.user('founder'), server.signer)
    this.remote.put('m.room.name', { name: 'Hall' })
    for (let i = 1; i < members; i++) this.remote.member(this.user(i), 'join')
    this.#serve()
  }

  get roomId() {
    return this.remote.roomId
  }

  /** One of the members; the founder is no. 0. */
  user(number: number) {
    return number === 0 ? this.server.user('founder') : this.server.user(`member${number}`)
  }

  /** Ids of the events that others have sent to it. */
  get received(): EventId[] {
    return this.server
      .askedFor('/v1/send/')
      .flatMap(({ body }) => body.pdus.map((pdu: JsonObject) => eventIdOf(pdu, this.remote.rules)))
  }

  /** From now on the room's state is asked for in vain until `release`. */
  withhold(): void {
    this.#held = Promise.withResolvers()
  }

  release(): void {
    this.#held?.resolve()
    this.#held = null
  }

  #serve(): void {
    const { server, remote } = this
    const id = e(remote.roomId)
    server.on('GET', `/v1/make_join/${id}`, ({ path }) => ({
      status: 200,
      body: { room_version: remote.rules.version, event: remote.template(path[3] as never, 'join') },
    }))
    server.on('PUT', `/v2/send_join/${id}`, (asked) => ({ status: 200, body: this.#join(asked) }))
    server.on('GET', `/v1/state_ids/${id}`, () => this.#state('ids'))
    server.on('GET', `/v1/state/${id}`, () => this.#state('whole'))
    server.on('GET', '/v1/event/', ({ path }) => {
      const event = remote.byId(path[2] as never)
      if (event === undefined) return NOT_FOUND
      return { status: 200, body: { origin: server.serverName, origin_server_ts: 0, pdus: [event.json] } }
    })
    server.on('PUT', '/v1/send/', () => ({ status: 200, body: { pdus: {} } }))
    server.on('GET', `/v1/event_auth/${id}`, ({ path }) => {
      const event = remote.byId(path[3] as never)
      if (event === undefined) return NOT_FOUND
      return { status: 200, body: { auth_chain: jsonOf(remote.authChain([event])) } }
    })
  }

  async #state(form: 'ids' | 'whole'): Promise<Reply> {
    await this.#held?.promise
    return { status: 200, body: this.#answers[form] }
  }

  #join({ query, body }: Asked): string {
    const { remote, server } = this
    const state = remote.stateEvents
    const chain = remote.authChain(state)
    this.#answers = {
      ids: JSON.stringify({ pdu_ids: idsOf(state), auth_chain_ids: idsOf(chain) }),
      whole: JSON.stringify({ pdus: jsonOf(state), auth_chain: jsonOf(chain) }),
    }
    const isPartial = this.#omitsMembers && query.get('omit_members') === 'true'
    const told = isPartial ? state.filter(({ type }) => type !== 'm.room.member') : state
    const join = remote.take(body as JsonObject)
    return JSON.stringify({
      origin: server.serverName,
      members_omitted: isPartial,
      servers_in_room: [server.serverName],
      state: jsonOf(told),
      auth_chain: jsonOf(remote.authChain([...told, join])),
      event: join.json,
    })
  }
}

const idsOf = (events: readonly Event[]) => events.map(({ eventId }) => eventId)
const jsonOf = (events: readonly Event[]) => events.map(({ json }) => json)
