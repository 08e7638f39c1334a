import type { UserId } from '#core/ids.ts'
import type { PresenceBook } from '#services/presence/presence-book.ts'
import { PRESENCES, type Presence } from '#services/presence/user-presence.ts'
import type { Timers } from '#services/time/timers.ts'
import type { UserNid } from '#store/types/users.ts'

/** "The server will automatically set a user's presence to unavailable if their last active time was over" this. */
export const IDLE_AFTER_MS = 5 * 60_000
/** For so long after the last activity a user is "currently active". */
export const CURRENTLY_ACTIVE_MS = 60_000
/** A client that doesn't come back within this time after a sync is gone. */
export const GONE_AFTER_MS = 30_000

/** One of the user's clients. */
export type PresenceClient = {
  readonly userId: UserId
  readonly userNid: UserNid
  readonly deviceId: string | null
}

type Device = {
  /** As the client wants to be seen. */
  presence: Presence
  /** Syncs that are under way. */
  polls: number
  /** When it is gone, unless a sync is under way. */
  goneAt: number
}

type User = {
  readonly userId: UserId
  readonly userNid: UserNid
  readonly devices: Map<string, Device>
  statusMsg: string | null
  lastActiveTs: number | null
  timer: { readonly at: number; readonly cancel: () => void } | null
}

type Deps = { readonly book: PresenceBook; readonly clock: () => number; readonly timers: Timers }

/** The presence of this server's users: put together from what their clients say and do, and the time that passes. */
export class LocalPresence {
  readonly #deps: Deps
  /** Users with a client that is there. */
  readonly #users = new Map<UserNid, User>()

  constructor(deps: Deps) {
    this.#deps = deps
  }

  get users(): Iterable<UserNid> {
    return this.#users.keys()
  }

  /**
   * A sync begins: the client is there for as long as it lasts, and shortly after, whatever it said before. Returns the
   * function to call when it ends. "If this parameter is omitted then the client is automatically marked as online when
   * it uses this API. If the parameter is set to "offline" then the client is not marked as being online": nor as
   * anything else.
   *
   * @param presence `set_presence`
   */
  poll(client: PresenceClient, presence: Presence = 'online'): () => void {
    if (presence === 'offline') return () => {}
    const user = this.#user(client)
    const wasThere = wantedBy(user) !== 'offline'
    const device = this.#device(user, client, presence)
    device.presence = presence
    // Coming is an activity.
    if (!wasThere) user.lastActiveTs = this.#deps.clock()
    device.polls += 1
    this.#judge(user)
    return () => {
      if (this.#users.get(user.userNid) !== user) return
      device.polls -= 1
      device.goneAt = Math.max(device.goneAt, this.#deps.clock() + GONE_AFTER_MS)
      this.#judge(user)
    }
  }

  /** The user says how they want to be seen; "the activity time is updated to reflect that activity". */
  set(client: PresenceClient, presence: Presence, statusMsg: string | null): void {
    const user = this.#user(client)
    const device = this.#device(user, client, presence)
    device.presence = presence
    // Without a sync the word holds as long as an activity does.
    device.goneAt = Math.max(device.goneAt, this.#deps.clock() + IDLE_AFTER_MS)
    user.statusMsg = statusMsg
    user.lastActiveTs = this.#deps.clock()
    this.#judge(user)
  }

  /** "Any activity … will cause the server to automatically set their presence to online", unless they hide. */
  active(client: PresenceClient): void {
    const user = this.#users.get(client.userNid)
    if (user === undefined) return
    user.lastActiveTs = this.#deps.clock()
    const device = user.devices.get(client.deviceId ?? '')
    if (device?.presence === 'unavailable') device.presence = 'online'
    this.#judge(user)
  }

  /** Ends all waiting; nobody is told. */
  close(): void {
    for (const { timer } of this.#users.values()) timer?.cancel()
    this.#users.clear()
  }

  #user({ userId, userNid }: PresenceClient): User {
    const there = this.#users.get(userNid)
    if (there !== undefined) return there
    const { statusMsg, lastActiveTs } = this.#deps.book.get(userNid) ?? { statusMsg: null, lastActiveTs: null }
    const user = { userId, userNid, devices: new Map(), statusMsg, lastActiveTs, timer: null }
    this.#users.set(userNid, user)
    return user
  }

  #device(user: User, client: PresenceClient, presence: Presence): Device {
    const id = client.deviceId ?? ''
    const device = user.devices.get(id) ?? { presence, polls: 0, goneAt: 0 }
    user.devices.set(id, device)
    return device
  }

  #judge(user: User): void {
    const { book, clock } = this.#deps
    const now = clock()
    // A clock that was put back must not keep anybody here until it has come as far again.
    if (user.lastActiveTs !== null) user.lastActiveTs = Math.min(user.lastActiveTs, now)
    for (const [id, device] of user.devices) {
      device.goneAt = Math.min(device.goneAt, now + IDLE_AFTER_MS)
      if (device.polls === 0 && device.goneAt <= now) user.devices.delete(id)
    }
    const { statusMsg, lastActiveTs, userId, userNid } = user
    const wanted = wantedBy(user)
    const sinceActive = now - (lastActiveTs ?? 0)
    const presence = wanted === 'online' && sinceActive >= IDLE_AFTER_MS ? 'unavailable' : wanted
    const currentlyActive = presence === 'online' && sinceActive < CURRENTLY_ACTIVE_MS
    book.put({ userId, userNid, presence, statusMsg, lastActiveTs, currentlyActive })
    if (user.devices.size === 0) this.#users.delete(userNid)
    this.#schedule(user, now)
  }

  /** Looks again when the time alone may change something. */
  #schedule(user: User, now: number): void {
    const { timers } = this.#deps
    const next = Math.min(
      ...[CURRENTLY_ACTIVE_MS, IDLE_AFTER_MS].map((ms) => (user.lastActiveTs ?? 0) + ms).filter((at) => at > now),
      ...[...user.devices.values()].filter(({ polls }) => polls === 0).map(({ goneAt }) => goneAt),
    )
    const isDue = user.devices.size > 0 && Number.isFinite(next)
    // One that fires early looks and waits on.
    if (isDue && user.timer !== null && user.timer.at <= next && user.timer.at > now) return
    user.timer?.cancel()
    user.timer = isDue
      ? {
          at: next,
          cancel: timers.after(next - now, () => {
            user.timer = null
            this.#judge(user)
          }),
        }
      : null
  }
}

/** The most present of what the user's clients want. */
function wantedBy({ devices }: User): Presence {
  const wanted = new Set([...devices.values()].map(({ presence }) => presence))
  return PRESENCES.find((presence) => wanted.has(presence)) ?? 'offline'
}
