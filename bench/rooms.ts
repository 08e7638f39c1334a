/** People and rooms to measure with, made through the client API like any others. */
import type { Http } from './http.ts'

export type User = { readonly userId: string; readonly token: string }
export type Room = { readonly roomId: string; readonly owner: User }

const PARALLEL_MAX = 16

export async function registerUsers(http: Http, prefix: string, count: number): Promise<User[]> {
  return inParallel(count, async (i) => {
    const username = `${prefix}${i}`
    const body = { username, password: 'benchmark', auth: { type: 'm.login.dummy' } }
    const answer = await http.json('POST', '/_matrix/client/v3/register', undefined, body)
    return { userId: answer['user_id'] as string, token: answer['access_token'] as string }
  })
}

export async function createRoom(http: Http, owner: User, name: string): Promise<Room> {
  const body = { preset: 'public_chat', name }
  const { room_id: roomId } = await http.json('POST', '/_matrix/client/v3/createRoom', owner.token, body)
  return { roomId: roomId as string, owner }
}

export async function createRooms(http: Http, owner: User, count: number): Promise<Room[]> {
  return inParallel(count, (i) => createRoom(http, owner, `Room ${i}`))
}

export async function joinAll(http: Http, room: Room, users: readonly User[]): Promise<void> {
  await inParallel(users.length, async (i) => {
    const path = `/_matrix/client/v3/join/${encodeURIComponent(room.roomId)}`
    await http.json('POST', path, (users[i] as User).token, {})
  })
}

export async function sendMessage(http: Http, room: Room, sender: User, n: number): Promise<string> {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room.roomId)}/send/m.room.message/bench-${n}`
  const body = { msgtype: 'm.text', body: `Message ${n}: ${'the quick brown fox jumps over the lazy dog '.repeat(3)}` }
  const answer = await http.json('PUT', path, sender.token, body)
  return answer['event_id'] as string
}

export async function setState(http: Http, room: Room, type: string, stateKey: string, content: object): Promise<void> {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room.roomId)}/state/${type}/${encodeURIComponent(stateKey)}`
  await http.json('PUT', path, room.owner.token, content)
}

export async function inParallel<T>(count: number, make: (i: number) => Promise<T>): Promise<T[]> {
  const made: T[] = new Array(count)
  let next = 0
  await Promise.all(
    Array.from({ length: Math.min(PARALLEL_MAX, count) }, async () => {
      for (let i = next; i < count; i = next) {
        next += 1
        made[i] = await make(i)
      }
    }),
  )
  return made
}
