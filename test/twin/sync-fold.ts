/** What a client that folds the answers of /sync, as the specification says, has in the end. Works on normalised answers. */
import { identity } from '#test/twin/normalise.ts'

// biome-ignore lint/suspicious/noExplicitAny: answers are whatever the server says.
type Body = any

type RoomView = {
  membership: string
  /** By type and state key. */
  state: Map<string, unknown>
  timeline: unknown[]
  account_data: Record<string, unknown>
  receipts: Record<string, string>
  typing: unknown
  summary: Record<string, unknown>
  unread: unknown
}

export class Fold {
  readonly #rooms: Record<string, RoomView> = {}
  readonly #accountData: Record<string, unknown> = {}

  /** In a form to be compared. */
  get view(): object {
    const rooms = Object.entries(this.#rooms).map(([id, room]) => [id, { ...room, state: sorted(room.state) }])
    return { rooms: Object.fromEntries(rooms), account_data: this.#accountData }
  }

  add(answer: Body): void {
    for (const event of answer.account_data?.events ?? []) this.#accountData[event.type] = event.content
    const { join = {}, invite = {}, knock = {}, leave = {} } = answer.rooms ?? {}
    for (const [id, part] of Object.entries<Body>(join)) this.#fold(id, 'join', part)
    for (const [id, part] of Object.entries<Body>(leave)) this.#fold(id, 'leave', part)
    for (const [id, part] of Object.entries<Body>(invite)) this.#outside(id, 'invite', part.invite_state)
    for (const [id, part] of Object.entries<Body>(knock)) this.#outside(id, 'knock', part.knock_state)
  }

  #fold(id: string, membership: string, part: Body): void {
    const before = this.#rooms[id]
    const room = before?.membership === 'join' ? before : newRoom()
    room.membership = membership
    this.#rooms[id] = room
    const { events = [], limited = false } = part.timeline ?? {}
    if (limited) room.timeline = []
    room.timeline.push(...events.map(identity))
    for (const event of [...(part.state?.events ?? []), ...events]) {
      if (event.state_key !== undefined) room.state.set(`${event.type} ${event.state_key}`, essence(event))
    }
    for (const event of part.account_data?.events ?? []) room.account_data[event.type] = event.content
    for (const event of part.ephemeral?.events ?? []) foldEphemeral(room, event)
    room.summary = { ...room.summary, ...part.summary }
    if (part.unread_notifications !== undefined) {
      room.unread = { ...part.unread_notifications, threads: part.unread_thread_notifications ?? {} }
    }
  }

  #outside(id: string, membership: string, stripped: Body): void {
    const room = newRoom()
    room.membership = membership
    for (const event of stripped?.events ?? []) {
      room.state.set(`${event.type} ${event.state_key}`, essence(event))
    }
    this.#rooms[id] = room
  }
}

/** In an order of its own: answers hold state in any. */
function sorted(state: ReadonlyMap<string, unknown>): unknown[] {
  return [...state.keys()].sort().map((key) => state.get(key))
}

function essence({ type, state_key, sender, content }: Body): unknown {
  return { type, state_key, sender, content }
}

function newRoom(): RoomView {
  return {
    membership: '',
    state: new Map(),
    timeline: [],
    account_data: {},
    receipts: {},
    typing: [],
    summary: {},
    unread: {},
  }
}

function foldEphemeral(room: RoomView, event: Body): void {
  if (event.type === 'm.typing') room.typing = event.content.user_ids
  if (event.type !== 'm.receipt') return
  for (const [eventId, byType] of Object.entries<Body>(event.content)) {
    for (const [type, byUser] of Object.entries<Body>(byType)) {
      for (const [userId, { thread_id: thread }] of Object.entries<Body>(byUser)) {
        room.receipts[`${type} ${userId} ${thread ?? ''}`] = eventId
      }
    }
  }
}
