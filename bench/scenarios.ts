/** What is measured of a homeserver, through the client API alone. */
import type { Http } from './http.ts'
import { type Load, load, pacedLoad, summary } from './load.ts'
import {
  createRoom,
  createRooms,
  inParallel,
  joinAll,
  type Room,
  registerUsers,
  sendMessage,
  setState,
  type User,
} from './rooms.ts'

export type Sizes = {
  readonly windowMs: number
  readonly initialSyncRooms: readonly number[]
  readonly bigRoom: number
}

export const FULL: Sizes = { windowMs: 8_000, initialSyncRooms: [100, 1_000], bigRoom: 10_000 }
export const QUICK: Sizes = { windowMs: 1_500, initialSyncRooms: [20, 50], bigRoom: 300 }

const SENDERS = [1, 10, 100]
const MEMBERS = 100
const ROOMS = 100

export type Sends = { readonly oneRoom: Record<string, Load>; readonly manyRooms: Record<string, Load> }

/** A hundred people, one room that all of them are in, and a hundred rooms with one of them each. */
export type World = { readonly users: User[]; readonly room: Room; readonly rooms: Room[] }

export async function makeWorld(http: Http): Promise<World> {
  const users = await registerUsers(http, 'bench', MEMBERS)
  const room = await createRoom(http, users[0] as User, 'Everyone')
  await joinAll(http, room, users.slice(1))
  const rooms = await inParallel(ROOMS, (i) => createRoom(http, users[i % users.length] as User, `Room ${i}`))
  return { users, room, rooms }
}

export async function measureSends(http: Http, world: World, sizes: Sizes): Promise<Sends> {
  const oneRoom: Record<string, Load> = {}
  const manyRooms: Record<string, Load> = {}
  for (const senders of SENDERS) {
    oneRoom[senders] = await load(senders, sizes.windowMs, async (worker, n) => {
      await sendMessage(http, world.room, world.users[worker] as User, n)
    })
    manyRooms[senders] = await load(senders, sizes.windowMs, async (worker, n) => {
      const room = world.rooms[worker] as Room
      await sendMessage(http, room, room.owner, n)
    })
  }
  return { oneRoom, manyRooms }
}

/** Half of what the server reached over many rooms, evenly spread. */
export function halfLoad(http: Http, world: World, perSecond: number, sizes: Sizes): Promise<Load> {
  return pacedLoad(perSecond, sizes.windowMs, async (n) => {
    const room = world.rooms[n % world.rooms.length] as Room
    await sendMessage(http, room, room.owner, 1_000_000_000 + n)
  })
}

/** From just before a send to the answer of another member's waiting `/sync`. */
export async function measureSyncLatency(http: Http, world: World): Promise<Load> {
  const [sender, reader] = world.users as [User, User]
  const latencies: number[] = []
  let { next_batch: since } = await http.json('GET', '/_matrix/client/v3/sync?timeout=0', reader.token)
  const began = performance.now()
  for (let n = 0; n < 200; n += 1) {
    const waiting = http.json('GET', `/_matrix/client/v3/sync?timeout=10000&since=${since}`, reader.token)
    // Long enough that the request is waiting when the message is sent.
    await new Promise((resolve) => setTimeout(resolve, 10))
    const sent = performance.now()
    await sendMessage(http, world.room, sender, 2_000_000_000 + n)
    since = (await waiting)['next_batch']
    latencies.push(performance.now() - sent)
  }
  return summary(latencies, performance.now() - began)
}

/** Milliseconds of an initial sync by somebody who is in so many rooms. */
export async function measureInitialSync(http: Http, count: number): Promise<Load> {
  const [user] = await registerUsers(http, `sync${count}x`, 1)
  if (user === undefined) throw new Error('no user')
  const rooms = await createRooms(http, user, count)
  await inParallel(count, async (i) => {
    for (let n = 0; n < 3; n += 1) await sendMessage(http, rooms[i] as Room, user, i * 3 + n)
  })
  const latencies: number[] = []
  const began = performance.now()
  for (let n = 0; n < 5; n += 1) {
    const sent = performance.now()
    await http.json('GET', '/_matrix/client/v3/sync?timeout=0', user.token)
    latencies.push(performance.now() - sent)
  }
  return summary(latencies, performance.now() - began)
}

export type DiskPhase = { readonly name: string; readonly count: number; run(http: Http): Promise<void> }

/** What is written in steps, so that bytes on disk can be taken between them. */
export function diskPhases(sizes: Sizes): DiskPhase[] {
  let owner: User
  let small: Room
  let big: Room
  const states = (room: () => Room, count: number) => (http: Http) =>
    inParallel(count, (i) => setState(http, room(), 'org.example.state', `key${i % 50}`, { n: i })).then(() => {})
  return [
    {
      name: 'set up',
      count: 0,
      async run(http) {
        owner = (await registerUsers(http, 'disk', 1))[0] as User
        small = await createRoom(http, owner, 'Small')
        big = await createRoom(http, owner, 'Big')
        await joinAll(http, small, await registerUsers(http, 'small', MEMBERS - 1))
      },
    },
    {
      name: 'a message',
      count: 5_000,
      run: (http) => inParallel(5_000, (i) => sendMessage(http, small, owner, i)).then(() => {}),
    },
    { name: `a state event in a room of ${MEMBERS}`, count: 2_000, run: states(() => small, 2_000) },
    {
      name: `a member of ${sizes.bigRoom}, account and join event`,
      count: sizes.bigRoom,
      run: async (http) => joinAll(http, big, await registerUsers(http, 'big', sizes.bigRoom)),
    },
    { name: `a state event in a room of ${sizes.bigRoom}`, count: 2_000, run: states(() => big, 2_000) },
  ]
}
