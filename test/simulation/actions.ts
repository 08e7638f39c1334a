/** What people of the simulated world do, through the client API of their servers. */
import type { EventId, RoomId, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { Random } from '#test/generators/random.ts'
import type { Reply, SimulatedServer } from '#test/simulation/simulated-server.ts'

const WEIGHTS = {
  message: 30,
  repeat: 3,
  join: 12,
  leave: 4,
  invite: 6,
  kick: 4,
  ban: 4,
  unban: 3,
  knock: 3,
  powerLevels: 6,
  joinRule: 4,
  visibility: 2,
  topic: 8,
  ownState: 4,
  redaction: 5,
  history: 3,
}
type Action = keyof typeof WEIGHTS

const WITHOUT_EVENT: ReadonlySet<Action> = new Set(['repeat', 'history'])

const WAYS_IN = { join: 5, knock: 1 }
/** How often somebody outside does what only members may. */
const OUTSIDERS_TRY = 0.15

const LEVELS = [0, 10, 50, 50, 100]
const e = encodeURIComponent

/** An event that a server said it had taken. */
export type Acknowledged = {
  readonly eventId: EventId
  readonly roomId: RoomId
  readonly server: SimulatedServer
  readonly sender: UserId
  readonly txnId: string | null
  readonly isRedaction: boolean
}

export type Room = {
  readonly roomId: RoomId
  readonly version: string
  /** Another room, whose members may join this one where it is restricted. */
  readonly lobby: RoomId | null
}

export type ActionWorld = {
  readonly random: Random
  readonly servers: readonly SimulatedServer[]
  readonly rooms: readonly Room[]
  readonly acknowledged: Acknowledged[]
  /** A transaction id that nobody has used. */
  newTxnId(): string
  /** Told of each request that is answered. `change` says that it makes an event where it is allowed. */
  count(action: string, status: number, change: boolean): void
}

/** One request of somebody, chosen at random; allowed or not. Resolves when it is answered, which may be never. */
export async function act(world: ActionWorld): Promise<void> {
  const { random, servers } = world
  const up = servers.filter((server) => server.isUp)
  if (up.length === 0) return
  const server = random.pick(up)
  const user = random.pick(server.users)
  // The rooms that come first are where most things happen.
  const room = random.chance(0.8) ? (world.rooms[0] as Room) : random.pick(world.rooms)
  const action = await choose(world, server, user, room)
  const reply = await perform(action, { ...world, server, user, room })
  if (reply !== null) world.count(action, reply.status, !WITHOUT_EVENT.has(action))
}

/** Members do everything, who isn't one mostly wants in. */
async function choose({ random }: ActionWorld, server: SimulatedServer, user: UserId, room: Room): Promise<Action> {
  const action = random.weighted<Action>(WEIGHTS)
  if (random.chance(OUTSIDERS_TRY)) return action
  const wayIn = random.weighted(WAYS_IN)
  return (await isMember(server, user, room.roomId)) ? action : wayIn
}

/** Whether the user's own server takes them for one. */
function isMember(server: SimulatedServer, userId: UserId, roomId: RoomId): Promise<boolean> {
  return server.store.read(async (tx) => {
    const [room, user] = [await tx.rooms.byId(roomId), await tx.users.nid(userId)]
    if (room === null || user === null) return false
    return (await tx.memberships.one(user, room.nid))?.membership === 'join'
  })
}

type Scene = ActionWorld & { readonly server: SimulatedServer; readonly user: UserId; readonly room: Room }

async function perform(action: Action, scene: Scene): Promise<Reply | null> {
  const { random } = scene
  switch (action) {
    case 'message':
      return send(scene, { msgtype: 'm.text', body: `message ${random.between(0, 9_999)}` })
    case 'repeat':
      return repeat(scene)
    case 'join':
      return join(scene)
    case 'knock':
      return client(scene, 'POST', `/knock/${e(scene.room.roomId)}?${via(scene)}`, {})
    case 'leave':
      return client(scene, 'POST', `/rooms/${e(scene.room.roomId)}/leave`, {})
    case 'invite':
    case 'kick':
    case 'ban':
    case 'unban':
      return client(scene, 'POST', `/rooms/${e(scene.room.roomId)}/${action}`, { user_id: anybody(scene) })
    case 'powerLevels':
      return changeLevels(scene)
    case 'joinRule':
      return state(scene, 'm.room.join_rules', joinRule(scene))
    case 'visibility': {
      const history_visibility = random.pick(['shared', 'shared', 'invited', 'joined', 'world_readable'])
      return state(scene, 'm.room.history_visibility', { history_visibility })
    }
    case 'topic':
      return state(scene, 'm.room.topic', { topic: `topic ${random.between(0, 9_999)}` })
    case 'ownState':
      return state(scene, 'org.example.own', { value: random.between(0, 9) }, scene.user)
    case 'redaction':
      return redact(scene)
    case 'history':
      return client(scene, 'GET', `/rooms/${e(scene.room.roomId)}/messages?dir=b&limit=20`)
  }
}

export function client(
  { server, user }: Pick<Scene, 'server' | 'user'>,
  method: 'GET' | 'PUT' | 'POST',
  path: string,
  body?: object,
): Promise<Reply> {
  return server.ask(user, method, `/_matrix/client/v3${path}`, body)
}

export async function send(scene: Omit<Scene, 'rooms' | 'random' | 'servers'>, content: JsonObject): Promise<Reply> {
  const txnId = scene.newTxnId()
  const { roomId } = scene.room
  const reply = await client(scene, 'PUT', `/rooms/${e(roomId)}/send/m.room.message/${txnId}`, content)
  if (reply.status === 200) acknowledge(scene, reply, txnId)
  return reply
}

/** The same request again, as one whose answer was lost. */
async function repeat(scene: Scene): Promise<Reply | null> {
  const earlier = scene.acknowledged.filter(({ txnId, server }) => txnId !== null && server.isUp)
  if (earlier.length === 0) return null
  const { server, sender, roomId, txnId, eventId } = scene.random.pick(earlier)
  const path = `/rooms/${e(roomId)}/send/m.room.message/${txnId}`
  const reply = await client({ server, user: sender }, 'PUT', path, { msgtype: 'm.text', body: 'again' })
  if (reply.status !== 200 || reply.body.event_id !== eventId) {
    throw new Error(`I2: ${txnId} made ${eventId}, then ${JSON.stringify(reply)}`)
  }
  return reply
}

function join(scene: Scene): Promise<Reply> {
  return client(scene, 'POST', `/join/${e(scene.room.roomId)}?${via(scene)}`, {})
}

/** One or two servers that may know the room. */
function via({ random, servers }: Scene): string {
  const names = random.shuffled(servers.map(({ name }) => name)).slice(0, 2)
  return names.map((name) => `via=${e(name)}&server_name=${e(name)}`).join('&')
}

function anybody({ random, servers }: Scene): UserId {
  return random.pick(random.pick(servers).users)
}

async function state(scene: Scene, type: string, content: JsonObject, stateKey = ''): Promise<Reply> {
  const path = `/rooms/${e(scene.room.roomId)}/state/${type}/${e(stateKey)}`
  const reply = await client(scene, 'PUT', path, content)
  if (reply.status === 200) acknowledge(scene, reply, null)
  return reply
}

function acknowledge(
  { acknowledged, server, user, room }: Pick<Scene, 'acknowledged' | 'server' | 'user' | 'room'>,
  reply: Reply,
  txnId: string | null,
  isRedaction = false,
): void {
  const { event_id: eventId } = reply.body
  acknowledged.push({ eventId, roomId: room.roomId, server, sender: user, txnId, isRedaction })
}

function joinRule({ random, room }: Scene): JsonObject {
  const version = Number(room.version)
  const known = ['public', 'public', 'public', 'invite']
  if (version >= 7) known.push('knock')
  if (version >= 8 && room.lobby !== null) known.push('restricted')
  const rule = random.pick(known)
  if (rule !== 'restricted') return { join_rule: rule }
  return { join_rule: rule, allow: [{ type: 'm.room_membership', room_id: room.lobby as RoomId }] }
}

async function changeLevels(scene: Scene): Promise<Reply> {
  const path = `/rooms/${e(scene.room.roomId)}/state/m.room.power_levels`
  const current = await client(scene, 'GET', path)
  if (current.status !== 200) return current
  const { random } = scene
  const users = { ...current.body.users }
  const target = anybody(scene)
  const creator = scene.servers[0]?.users[0]
  // Creators of version 12 can't be given a level, and without its creator a room soon has nobody who may do anything.
  if (target !== creator) users[target] = random.pick(LEVELS)
  const changes = random.chance(0.2)
    ? { [random.pick(['events_default', 'invite', 'kick'])]: random.pick([0, 50]) }
    : {}
  return state(scene, 'm.room.power_levels', { ...current.body, users, ...changes })
}

async function redact(scene: Scene): Promise<Reply | null> {
  const { random, room, acknowledged } = scene
  // In the first versions a redaction that is redacted doesn't say any more what allows it, so that who gets only its
  // redacted copy rejects it.
  const isFirst = Number(room.version) < 3
  const targets = acknowledged.filter(({ roomId, isRedaction }) => roomId === room.roomId && !(isFirst && isRedaction))
  if (targets.length === 0) return null
  const { eventId } = random.pick(targets)
  const path = `/rooms/${e(room.roomId)}/redact/${e(eventId)}/${scene.newTxnId()}`
  const reply = await client(scene, 'PUT', path, {})
  if (reply.status === 200) acknowledge(scene, reply, null, true)
  return reply
}
