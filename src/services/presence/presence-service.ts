import type { ServerName, UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { forbidden } from '#core/matrix-error.ts'
import type { EphemeralSequence } from '#services/log/ephemeral-sequence.ts'
import type { LogFollowers } from '#services/log/log-followers.ts'
import { LocalPresence, type PresenceClient } from '#services/presence/local-presence.ts'
import { PresenceBook } from '#services/presence/presence-book.ts'
import { type PresenceListener, PresenceUpdates } from '#services/presence/presence-updates.ts'
import { RemotePresence } from '#services/presence/remote-presence.ts'
import { type Presence, presenceContent, type UserPresence } from '#services/presence/user-presence.ts'
import type { Timers } from '#services/time/timers.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

/** How often it is looked whose server has fallen silent, and who should be told of again. */
const ROUND_MS = 60_000
/** More people than this are looked for among all who share a room with the viewer, instead of one by one. */
const ONE_BY_ONE_MAX = 50

type Deps = {
  readonly store: Store
  readonly followers: LogFollowers
  readonly clock: () => number
  readonly timers: Timers
  readonly sequence: EphemeralSequence
  /** false: everybody is offline, always. */
  readonly enabled: boolean
  /** Told of failures that no request waits for. */
  readonly onError: (error: unknown) => void
}

type Viewer = { readonly userNid: UserNid }

/** Who is online (client-server API, "Presence"). In memory: after a restart everybody is offline until seen again. */
export class PresenceService {
  readonly #deps: Deps
  readonly #book: PresenceBook
  readonly #local: LocalPresence
  readonly #remote: RemotePresence
  readonly #news: PresenceUpdates
  #cancelRound: () => void

  constructor(deps: Deps) {
    const { store, followers, clock, timers, onError } = deps
    this.#deps = deps
    this.#book = new PresenceBook(deps.sequence)
    this.#local = new LocalPresence({ book: this.#book, clock, timers })
    this.#remote = new RemotePresence({ book: this.#book, store, clock })
    this.#news = new PresenceUpdates({ store, followers, book: this.#book, onError })
    this.#cancelRound = timers.after(ROUND_MS, () => this.#round())
  }

  /** Users of whom anything is known. */
  get size(): number {
    return this.#book.size
  }

  /** A client begins to wait for news: it is there. Returns the function to call when it ends. See LocalPresence. */
  poll(client: PresenceClient, presence?: Presence): () => void {
    return this.#deps.enabled ? this.#local.poll(client, presence) : () => {}
  }

  set(client: PresenceClient, presence: Presence, statusMsg: string | null): void {
    if (this.#deps.enabled) this.#local.set(client, presence, statusMsg)
  }

  /** The user did something of their own accord. */
  active(client: PresenceClient): void {
    if (this.#deps.enabled) this.#local.active(client)
  }

  /** @throws M_FORBIDDEN unless the viewer shares a room with that user, or is that user */
  async get(viewer: Viewer, userId: UserId): Promise<JsonObject> {
    const userNid = await this.#deps.store.read(async (tx) => {
      const nid = await tx.users.nid(userId)
      if (nid === null || nid === viewer.userNid) return nid
      const rooms = await joinedRooms(tx, viewer.userNid)
      return (await sharesOneOf(tx, nid, rooms)) ? nid : null
    })
    if (userNid === null) throw forbidden('You are not allowed to see their presence')
    const user = this.#book.get(userNid)
    return user === null ? { presence: 'offline' } : presenceContent(user, this.#deps.clock())
  }

  /** Takes in an `m.presence` EDU of another server: users of a third one in it are ignored. */
  async receive(origin: ServerName, edu: JsonValue): Promise<void> {
    const content = isJsonObject(edu) ? member(edu, 'content') : undefined
    if (this.#deps.enabled && content !== undefined) await this.#remote.receive(origin, content)
  }

  /** Whose presence changed after a number of the sequence; null for all who aren't offline. */
  changedSince(since: number | null): UserPresence[] {
    return since === null ? this.#book.present() : this.#book.changedSince(since)
  }

  /** Those of the users whom somebody may see who is in these rooms. */
  async visible(
    tx: ReadTx,
    viewer: Viewer,
    rooms: ReadonlySet<RoomNid>,
    users: readonly UserPresence[],
  ): Promise<UserPresence[]> {
    if (users.length > ONE_BY_ONE_MAX) {
      const sharing = new Set(await tx.memberships.sharingRoomsWith(viewer.userNid))
      return users.filter(({ userNid }) => userNid === viewer.userNid || sharing.has(userNid))
    }
    const seen: UserPresence[] = []
    for (const user of users) {
      const isSelf = user.userNid === viewer.userNid
      if (isSelf || (await sharesOneOf(tx, user.userNid, rooms))) seen.push(user)
    }
    return seen
  }

  /** See PresenceUpdates. */
  onUpdate(listener: PresenceListener): () => void {
    return this.#news.onUpdate(listener)
  }

  /** Users of this server who have a client that is there. */
  get presentHere(): UserPresence[] {
    return [...this.#local.users].flatMap((nid) => this.#book.get(nid) ?? [])
  }

  /** Resolves when all changes so far have been told. */
  idle(): Promise<void> {
    return this.#news.idle()
  }

  /** Ends all waiting. */
  async close(): Promise<void> {
    this.#cancelRound()
    this.#local.close()
    await this.#news.close()
  }

  #round(): void {
    this.#cancelRound = this.#deps.timers.after(ROUND_MS, () => this.#round())
    this.#remote.expire().catch(this.#deps.onError)
  }
}

async function joinedRooms(tx: ReadTx, user: UserNid): Promise<Set<RoomNid>> {
  return new Set((await tx.memberships.ofUser(user, ['join'])).map(({ roomNid }) => roomNid))
}

async function sharesOneOf(tx: ReadTx, user: UserNid, rooms: ReadonlySet<RoomNid>): Promise<boolean> {
  if (rooms.size === 0) return false
  return !(await joinedRooms(tx, user)).isDisjointFrom(rooms)
}
