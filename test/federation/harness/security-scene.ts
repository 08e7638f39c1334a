/** One Hearth and two servers that tests speak for, over TLS. */
import type { Event } from '#core/event/event.ts'
import { signerFromSeed } from '#core/event/sign.ts'
import type { JsonObject } from '#core/json/value.ts'
import { RemoteRoom } from '#test/federation/harness/remote-room.ts'
import { TestCa } from '#test/federation/harness/test-ca.ts'
import { TlsHearth } from '#test/federation/harness/tls-hearth.ts'
import { type Asked, HostileServer, type Reply } from '#test/federation/hostile-server.ts'
import { type Api, room, V3 } from '#test/system/harness/api.ts'
import { freePort } from '#test/system/harness/free-port.ts'
import { until } from '#test/system/harness/until.ts'

const e = encodeURIComponent

export type Scene = AsyncDisposable & {
  readonly hearth: TlsHearth
  readonly evil: HostileServer
  /** Another server, with keys of its own. */
  readonly other: HostileServer
  /** A user of Hearth. */
  readonly alice: Api
}

export async function securityScene(): Promise<Scene> {
  await using opened = new AsyncDisposableStack()
  const ca = opened.use(new TestCa())
  const evil = opened.use(await HostileServer.start('evil.example', ca))
  const other = opened.use(await HostileServer.start('other.example', ca))
  const hearth = opened.use(
    await TlsHearth.start({
      serverName: 'hearth.example',
      ca,
      federationPort: await freePort(),
      others: { 'evil.example': evil.federationAddress, 'other.example': other.federationAddress },
    }),
  )
  const alice = await hearth.user('alice')
  const ending = opened.move()
  return { hearth, evil, other, alice, [Symbol.asyncDispose]: () => ending.disposeAsync() }
}

/** A key that nobody publishes, under the id of one that somebody does. */
export function forgerOf(name: string) {
  return signerFromSeed(name, 'a_1', new Uint8Array(32).fill(9))
}

/** Lets a server answer for a room honestly. Handlers that a test adds later come before these. */
export function serveRoom(server: HostileServer, remote: RemoteRoom): void {
  const id = e(remote.roomId)
  const template = (membership: string) => (asked: Asked) => ({
    status: 200,
    body: { room_version: remote.rules.version, event: remote.template(asked.path[3] as never, membership) },
  })
  server.on('GET', `/v1/make_join/${id}`, template('join'))
  server.on('GET', `/v1/make_leave/${id}`, template('leave'))
  server.on('GET', `/v1/make_knock/${id}`, template('knock'))
  server.on('PUT', `/v2/send_join/${id}`, ({ body }) => ({ status: 200, body: joinAnswer(server, remote, body) }))
  server.on('PUT', `/v2/send_leave/${id}`, ({ body }) => {
    remote.take(body)
    return { status: 200, body: {} }
  })
  server.on('PUT', `/v1/send_knock/${id}`, () => ({ status: 200, body: { knock_room_state: [] } }))
}

/** What a resident server answers to a join, which becomes part of its room. */
export function joinAnswer(server: HostileServer, remote: RemoteRoom, event: JsonObject): JsonObject {
  const state = remote.stateEvents
  const chain = remote.authChain(state)
  remote.take(event)
  return {
    origin: server.serverName,
    members_omitted: false,
    servers_in_room: [server.serverName],
    state: state.map(({ json }) => json),
    auth_chain: chain.map(({ json }) => json),
    event,
  }
}

/** A public room of the hostile server, with the user in it. */
export async function joinedRoom({ evil, alice }: Scene, version = '11'): Promise<RemoteRoom> {
  const remote = new RemoteRoom(version, evil.user('mallory'), evil.signer)
  serveRoom(evil, remote)
  await alice.post(`${V3}/join/${e(remote.roomId)}?via=${evil.serverName}`)
  return remote
}

/** Whether a user is shown an event. */
export async function isShown(user: Api, roomId: string, eventId: string): Promise<boolean> {
  return (await user.request('GET', room(roomId, 'event', eventId))).status === 200
}

export function arrives(user: Api, roomId: string, eventId: string): Promise<unknown> {
  return until(`${eventId} to arrive`, () => isShown(user, roomId, eventId))
}

/**
 * Sends a room's events, then one honest message on top of the room, and waits for that to arrive: by then the others
 * have been judged.
 */
export async function deliver(scene: Scene, remote: RemoteRoom, ...events: readonly Event[]): Promise<Reply> {
  const { evil, hearth, alice } = scene
  const reply = await evil.send(
    hearth,
    events.map(({ json }) => json),
  )
  const last = remote.event({ content: { body: 'honest' } })
  await evil.send(hearth, [last.json])
  remote.add(last)
  await arrives(alice, remote.roomId, last.eventId)
  return reply
}
