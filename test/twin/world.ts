/** What the generator believes about a script so far, so that most of what it writes means something. */
import type { Random } from '#test/system/harness/random.ts'
import { SERVER_NAME } from '#test/twin/servers.ts'

export const USERS = ['alice', 'bob', 'carol'] as const
export type User = (typeof USERS)[number]
export const DEVICES = [1, 2] as const
export const ROOM_VERSIONS = ['10', '11', '12'] as const

export type Room = {
  /** As a placeholder. */
  readonly id: string
  readonly version: string
  readonly creator: User
  readonly joined: Set<User>
  readonly invited: Set<User>
  /** Those who were in it once. */
  readonly left: Set<User>
  isOpen: boolean
}
export type SentEvent = { readonly id: string; readonly room: Room; readonly sender: User; readonly type: string }

/** One value in so many is a wrong one. */
const WRONG_ONE_IN = 50

export class World {
  readonly random: Random
  readonly rooms: Room[] = []
  readonly events: SentEvent[] = []
  readonly aliases: string[] = []
  readonly filters: { readonly id: string; readonly user: User }[] = []
  /** Tokens to page from. */
  readonly pages: { readonly token: string; readonly room: Room }[] = []
  readonly #filters = new Map<string, string>()
  #oddities: string[] = []
  #count = 0

  constructor(random: Random) {
    this.random = random
  }

  /** What was odd about the values given since the last time. */
  takeOddities(): string {
    const oddities = [...new Set(this.#oddities)].sort().join(', ')
    this.#oddities = []
    return oddities
  }

  odd(what: string): void {
    this.#oddities.push(what)
  }

  /** A name for something new: `room3`. */
  fresh(kind: string): string {
    this.#count += 1
    return `${kind}${this.#count}`
  }

  chance(oneIn: number): boolean {
    return this.random.between(1, oneIn) === 1
  }

  pick<T>(from: readonly T[]): T {
    return this.random.pick(from)
  }

  user(): User {
    return this.pick(USERS)
  }

  client(user: User = this.user()): string {
    return `${user} ${this.pick(DEVICES)}`
  }

  /** The one of the filters that this client keeps to. */
  filterOf(client: string, names: readonly string[]): string {
    const filter = this.#filters.get(client) ?? this.pick(names)
    this.#filters.set(client, filter)
    return filter
  }

  /** A token of one of the room's pages, if there is one. */
  page(room: Room): string | undefined {
    const here = this.pages.filter((page) => page.room === room)
    return here.length > 0 ? this.pick(here).token : undefined
  }

  room(): Room {
    return this.pick(this.rooms)
  }

  /** A room's id, now and then one that isn't a room's. */
  roomId(room: Room): string {
    if (!this.chance(WRONG_ONE_IN)) return room.id
    const [what, id] = this.pick([
      ['unknown room', `!unknownroomunknown:${SERVER_NAME}`],
      ['malformed room id', 'room'],
      ['an event for a room', '$31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM'],
    ] as const)
    this.odd(what)
    return id
  }

  userId(user: User): string {
    if (!this.chance(WRONG_ONE_IN)) return userId(user)
    const [what, id] = this.pick([
      ['unknown user', `@nobody:${SERVER_NAME}`],
      ['malformed user id', 'alice'],
    ] as const)
    this.odd(what)
    return id
  }

  /** Mostly somebody in the room. */
  memberOf(room: Room): User {
    return room.joined.size > 0 && !this.chance(8) ? this.pick([...room.joined]) : this.user()
  }

  /** Mostly one with power. */
  moderatorOf(room: Room): User {
    return this.chance(4) ? this.memberOf(room) : room.creator
  }

  /** An event of the room, now and then another one. */
  eventId(room: Room): string {
    const here = this.events.filter((event) => event.room === room)
    if (here.length > 0 && !this.chance(WRONG_ONE_IN)) return this.pick(here.slice(-12)).id
    const elsewhere = this.events.filter((event) => event.room !== room)
    if (elsewhere.length > 0 && this.chance(2)) {
      this.odd('event of another room')
      return this.pick(elsewhere).id
    }
    this.odd('unknown event')
    return '$31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM'
  }
}

export function userId(user: string): string {
  return `@<${user}>:${SERVER_NAME}`
}
