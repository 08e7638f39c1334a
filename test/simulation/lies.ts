/** What a server does that is in the hands of somebody with his own ideas: well-formed, signed, and not allowed. */
import { checkStateDependent } from '#core/auth/state-dependent.ts'
import { authEventKeys } from '#core/event/auth-events.ts'
import { buildEvent, type EventTemplate } from '#core/event/build-event.ts'
import { type Event, type StateKey, stateMapKey } from '#core/event/event.ts'
import { referenceTo } from '#core/event/hash.ts'
import type { EventId, RoomId, UserId } from '#core/ids.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import type { ReadTx } from '#store/store.ts'
import type { Random } from '#test/generators/random.ts'
import type { SimulatedServer } from '#test/simulation/simulated-server.ts'

/** More extremities can't be cited by one event. */
const PREV_EVENTS_MAX = 20

export type Lie = { readonly eventId: EventId; readonly roomId: RoomId }

type Scene = {
  readonly random: Random
  readonly server: SimulatedServer
  readonly others: readonly SimulatedServer[]
  readonly user: UserId
  readonly roomId: RoomId
  readonly now: number
  newTxnId(): string
}

/**
 * Sends some of the other servers an event that the room as this server sees it forbids; null where there is no such
 * event at hand. The server itself keeps nothing of it.
 */
export async function lie(scene: Scene): Promise<Lie | null> {
  const { server, others, random, roomId } = scene
  const { client, ownKeys } = server.services.federation
  const event = await server.store.read((tx) => forbiddenEvent(tx, scene))
  if (event === null) return null
  const targets = others.filter((other) => other !== server && random.chance(0.7))
  const body = { origin: ownKeys.serverName, origin_server_ts: scene.now, pdus: [event.json] }
  for (const target of targets) {
    const uri = `/_matrix/federation/v1/send/${scene.newTxnId()}`
    void client.request({ destination: target.name, method: 'PUT', uri, body })
  }
  return { eventId: event.eventId, roomId }
}

async function forbiddenEvent(tx: ReadTx, scene: Scene): Promise<Event | null> {
  const { random, server, user, roomId, now } = scene
  const room = await tx.rooms.byId(roomId)
  const rules = room === null ? undefined : ROOM_VERSIONS.get(room.version)
  // A server that doesn't know the room's members can't tell what it forbids.
  if (room === null || rules === undefined || !room.isResident || room.partial !== null) return null
  const extremities = await tx.rooms.extremities(room.nid)
  if (extremities.length > PREV_EVENTS_MAX) return null
  const wanted = random.pick([
    { type: 'm.room.power_levels', state_key: '', content: { users: { [user]: 100 } } },
    { type: 'm.room.topic', state_key: '', content: { topic: 'not for me to say' } },
    { type: 'm.room.message', content: { msgtype: 'm.text', body: 'let me in' } },
  ])
  const keys = authEventKeys({ ...wanted, stateKey: wanted.state_key ?? null, sender: user }, rules)
  const state = await stateAt(tx, room.stateId, [...keys, ['m.room.create', ''], ['m.room.power_levels', '']])
  const tips = await tx.events.byNids(extremities.map(({ nid }) => nid))
  const template: EventTemplate = {
    ...wanted,
    sender: user,
    room_id: roomId,
    prev_events: [...tips.values()].map(({ event }) => referenceTo(event)),
    auth_events: keys.flatMap((key) => state.get(stateMapKey(...key)) ?? []).map(referenceTo),
    depth: Math.max(...extremities.map(({ depth }) => depth)) + 1,
    origin_server_ts: now,
  }
  const event = buildEvent(template, rules, server.services.rooms.context.signer, () => scene.newTxnId())
  const verdict = checkStateDependent(event, (type, stateKey) => state.get(stateMapKey(type, stateKey)))
  return verdict.ok ? null : event
}

async function stateAt(tx: ReadTx, stateId: Parameters<ReadTx['state']['getMany']>[0], keys: readonly StateKey[]) {
  const nids = await tx.state.getMany(stateId, keys)
  const rows = await tx.events.byNids(nids.filter((nid) => nid !== null))
  return new Map([...rows.values()].map(({ event }) => [stateMapKey(event.type, event.stateKey ?? ''), event]))
}
