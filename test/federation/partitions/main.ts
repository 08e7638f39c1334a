/** What T4 does inside of its namespaces. Ends with 1 where a promise is broken. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { TestCa } from '#test/federation/harness/test-ca.ts'
import { Network } from '#test/federation/partitions/network.ts'
import { ServerProcess, serverName } from '#test/federation/partitions/server-process.ts'
import { Api, room, V3 } from '#test/system/harness/api.ts'
import { until } from '#test/system/harness/until.ts'

const HOSTS = [1, 2, 3]
/** How long a network stays broken after users have done what they do meanwhile. */
const BROKEN_MS = 4_000
const HEALED_MS_MAX = 30_000
/** What users do concerns their own server alone. */
const LIVED_MS_MAX = 10_000
const FLAPS = 8
const FLAP_MS = 300

await using opened = new AsyncDisposableStack()
const ca = opened.use(new TestCa())
const network = opened.use(await Network.make(HOSTS.length))
const servers = await Promise.all(HOSTS.map((host) => ServerProcess.start(network, host, ca)))
for (const server of servers) opened.use(server)
const users = await Promise.all(servers.map(({ url }) => new Api(url).register('user')))
const [one, two, three] = users as [Api, Api, Api]
const guests = await Promise.all(servers.map(({ url }) => new Api(url).register('guest')))
const victim = await new Api(servers[2]!.url).register('victim')

type StateEvent = { type: string; state_key: string; event_id: string }
type State = Readonly<Record<string, string>>

async function stateOf(user: Api, roomId: string): Promise<State> {
  const events: StateEvent[] = await user.get(room(roomId, 'state'))
  const entries = events.map(({ type, state_key, event_id }) => [`${type} ${state_key}`, event_id] as const)
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

async function messagesOf(user: Api, roomId: string): Promise<string[]> {
  const events = await user.history(roomId)
  return events
    .filter(({ type }) => type === 'm.room.message')
    .map(({ event_id }) => event_id)
    .toSorted()
}

const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

/** The one answer of all servers; null while they differ. */
async function agreed<T>(ask: (user: Api) => Promise<T>): Promise<T | null> {
  const [first, ...others] = await Promise.all(users.map(ask))
  return others.every((other) => isSame(other, first)) ? (first as T) : null
}

async function join(user: Api, roomId: string, via: number): Promise<void> {
  await user.post(`${V3}/join/${encodeURIComponent(roomId)}?via=${serverName(via)}`)
}

async function makeRoom(version: string): Promise<string> {
  const levels = {
    users: { [two.userId]: 100, [three.userId]: 50, ...(version === '12' ? {} : { [one.userId]: 100 }) },
  }
  const roomId = await one.createRoom({
    preset: 'public_chat',
    room_version: version,
    power_level_content_override: levels,
  })
  for (const user of [two, three, victim]) await join(user, roomId, 1)
  await until('all to see who is in the room', () => agreed((user) => stateOf(user, roomId)), HEALED_MS_MAX)
  return roomId
}

type Done = { readonly messages: string[]; readonly state: string[] }

/** What goes on on one server while the network is broken. */
async function live(host: number, roomId: string, done: Done): Promise<void> {
  const user = users[host - 1] as Api
  const put = async (type: string, content: object) => done.state.push(await user.state(roomId, type, content))
  const say = async (text: string) => done.messages.push(await user.send(roomId, text))
  await say(`first of ${host}`)
  await put('m.room.topic', { topic: `of ${host}` })
  if (host === 1) await user.post(room(roomId, 'ban'), { user_id: victim.userId })
  if (host !== 3) {
    const levels = await user.get(room(roomId, 'state', 'm.room.power_levels'))
    await put('m.room.power_levels', { ...levels, users: { ...levels.users, [`@helper${host}:s1.test`]: 10 * host } })
  }
  await put('m.room.name', { name: `by ${host}` })
  await join(guests[host - 1] as Api, roomId, host)
  await say(`last of ${host}`)
}

async function survives(name: string, version: string, breakNetwork: () => Promise<void> | void): Promise<void> {
  const roomId = await makeRoom(version)
  const before = await stateOf(one, roomId)
  const done: Done = { messages: [], state: [] }
  const breaking = breakNetwork()
  const begun = performance.now()
  await Promise.all(HOSTS.map((host) => live(host, roomId, done)))
  const livedMs = performance.now() - begun
  const states = await Promise.all(users.map((user) => stateOf(user, roomId)))
  await breaking
  await sleep(BROKEN_MS)
  network.heal()
  const healed = performance.now()
  for (const user of users) done.messages.push(await user.send(roomId, 'after it'))
  const messages = done.messages.toSorted()
  const isWhole = async () => {
    const same = await agreed((user) => messagesOf(user, roomId))
    return same !== null && isSame(same, messages) ? agreed((user) => stateOf(user, roomId)) : null
  }
  const state = await until(`${name}: all to have the same`, isWhole, HEALED_MS_MAX).catch(async (error: Error) => {
    const found = await Promise.all(users.map((user) => stateOf(user, roomId)))
    const lists = await Promise.all(users.map((user) => messagesOf(user, roomId)))
    throw new Error(`${error.message}: ${JSON.stringify({ found, lists, messages }, null, 1)}`)
  })
  assert.ok(livedMs < LIVED_MS_MAX, `${name}: users waited ${livedMs} ms for servers that could not be reached`)
  const wasSplit = states.some((other) => !isSame(other, states[0]))
  for (const [key, eventId] of Object.entries(state)) {
    const isCaused = before[key] === eventId || done.state.includes(eventId) || key.startsWith('m.room.member ')
    assert.ok(isCaused, `${name}: ${key} became ${eventId}, which nobody sent`)
  }
  for (const guest of guests) assert.ok(Object.hasOwn(state, `m.room.member ${guest.userId}`), name)
  const { content } = await one.get(
    `${V3}/rooms/${encodeURIComponent(roomId)}/event/${state[`m.room.member ${victim.userId}`]}`,
  )
  assert.equal(content.membership, 'ban', name)
  console.log(
    `${name}, version ${version}: ${wasSplit ? 'split' : 'not split'}, whole ${Math.round(performance.now() - healed)} ms after`,
  )
  assert.ok(wasSplit || name === 'flapping', `${name}: the network was not broken`)
}

for (const version of ['11', '12']) {
  await survives('full partition', version, () => network.unplug(1))
  await survives('partial partition', version, () => {
    network.cut(1, 2)
    network.cut(2, 1)
  })
  await survives('one-way partition', version, () => network.cut(1, 2))
  await survives('flapping', version, async () => {
    for (let flap = 0; flap < FLAPS; flap += 1) {
      network.unplug(1 + (flap % HOSTS.length))
      await sleep(FLAP_MS)
      network.heal()
      await sleep(FLAP_MS)
    }
  })
}
for (const server of servers) assert.deepEqual(server.defects, [])
