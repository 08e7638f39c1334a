import { type ServerName, serverOf, type UserId } from '#core/ids.ts'
import type { Destinations } from '#services/federation/outbound/destinations.ts'
import type { PresenceService } from '#services/presence/presence-service.ts'
import type { UserPresence } from '#services/presence/user-presence.ts'
import type { Timers } from '#services/time/timers.ts'
import type { TypingService } from '#services/typing/typing-service.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** Other servers take a user for silent who isn't said to type again within half a minute. */
const TYPING_AGAIN_MS = 20_000
/** Other servers take a user for offline whom they haven't heard of for half an hour. */
const PRESENCE_AGAIN_MS = 25 * 60_000

type Deps = {
  readonly store: Store
  readonly serverName: ServerName
  readonly destinations: Pick<Destinations, 'addTyping' | 'addPresence'>
  readonly typing: Pick<TypingService, 'onChange' | 'typingIn'>
  readonly presence: Pick<PresenceService, 'onUpdate' | 'presentHere'>
  readonly timers: Timers
  readonly onError: (error: unknown) => void
}

/** Tells other servers who of this one's users types, and who is online. */
export class EphemeralEduSender {
  readonly #deps: Deps
  readonly #stop: (() => void)[]
  /** Rooms to look at, and whether those are to be told of again who still type there. */
  readonly #rooms = new Map<RoomNid, boolean>()
  /** Users to tell of, and the rooms that they are in, if that is known. */
  readonly #users = new Map<UserPresence, readonly RoomNid[] | null>()
  /** Who is said to type where. */
  readonly #announced = new Map<RoomNid, ReadonlySet<UserId>>()
  #looking: Promise<void> | null = null
  #isClosed = false

  constructor(deps: Deps) {
    this.#deps = deps
    const { typing, presence, serverName } = deps
    this.#stop = [
      typing.onChange((room) => {
        if (!this.#rooms.has(room)) this.#rooms.set(room, false)
        this.#look()
      }),
      presence.onUpdate((user, rooms) => {
        if (serverOf(user.userId) !== serverName) return
        this.#users.set(user, rooms)
        this.#look()
      }),
    ]
    this.#every(TYPING_AGAIN_MS, () => {
      for (const room of this.#announced.keys()) this.#rooms.set(room, true)
    })
    this.#every(PRESENCE_AGAIN_MS, () => {
      for (const user of presence.presentHere) this.#users.set(user, null)
    })
  }

  /** Resolves when everything so far has been announced. */
  async idle(): Promise<void> {
    while (this.#looking !== null) await this.#looking
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const stop of this.#stop) stop()
    await this.idle()
  }

  #every(ms: number, fn: () => void): void {
    const index = this.#stop.length
    const again = () => {
      this.#stop[index] = this.#deps.timers.after(ms, () => {
        again()
        fn()
        this.#look()
      })
    }
    again()
  }

  #look(): void {
    if (this.#isClosed || (this.#rooms.size === 0 && this.#users.size === 0)) return
    this.#looking ??= this.#tell()
      .catch(this.#deps.onError)
      .finally(() => {
        this.#looking = null
        this.#look()
      })
  }

  async #tell(): Promise<void> {
    const { store, destinations } = this.#deps
    const [rooms, users] = [[...this.#rooms], [...this.#users]]
    this.#rooms.clear()
    this.#users.clear()
    await store.read(async (tx) => {
      for (const [room, again] of rooms) await this.#tellTyping(tx, room, again)
      for (const [user, known] of users) {
        const joined = known ?? (await tx.memberships.ofUser(user.userNid, ['join'])).map(({ roomNid }) => roomNid)
        const servers = new Set<ServerName>()
        for (const room of joined) for (const server of await this.#serversIn(tx, room)) servers.add(server)
        destinations.addPresence(servers, user)
      }
    })
  }

  async #tellTyping(tx: ReadTx, room: RoomNid, again: boolean): Promise<void> {
    const { destinations, typing, serverName } = this.#deps
    const before = this.#announced.get(room) ?? new Set()
    const now = new Set(typing.typingIn(room).filter((userId) => serverOf(userId) === serverName))
    if (now.size === 0) this.#announced.delete(room)
    else this.#announced.set(room, now)
    const roomId = (await tx.rooms.roomIds([room])).get(room)
    const changed = again ? now.union(before) : now.symmetricDifference(before)
    if (roomId === undefined || changed.size === 0) return
    const servers = await this.#serversIn(tx, room)
    for (const userId of changed) destinations.addTyping(servers, { roomId, userId, typing: now.has(userId) })
  }

  async #serversIn(tx: ReadTx, room: RoomNid): Promise<ServerName[]> {
    const servers = [...(await tx.rooms.serversIn(room)).keys()]
    return servers.filter((server) => server !== this.#deps.serverName)
  }
}
