import { isUserId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import type { PresenceBook } from '#services/presence/presence-book.ts'
import { PRESENCES, type Presence, type UserPresence } from '#services/presence/user-presence.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { Store } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'

/** Who isn't heard of for so long is offline: their server may be. */
export const SILENT_AFTER_MS = 30 * 60_000
/** How many users one EDU may tell of; the rest of a longer list is ignored. */
export const PUSH_MAX = 1_000
/** How many users of other servers are remembered. */
export const REMOTE_USERS_MAX = 50_000
/** Longer ones are left out. In UTF-16 code units. */
const STATUS_LENGTH_MAX = 1_024

type Deps = { readonly book: PresenceBook; readonly store: Store; readonly clock: () => number }

/** The presence of other servers' users, as these tell it. */
export class RemotePresence {
  readonly #deps: Deps
  /** When each was last told of, the longest ago first. */
  readonly #heardAt = new Map<UserNid, number>()

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Takes in an `m.presence` EDU. What is malformed in it, or about users of other servers, is ignored (S20). */
  async receive(origin: ServerName, content: JsonValue): Promise<void> {
    const push = isJsonObject(content) ? member(content, 'push') : undefined
    if (!Array.isArray(push)) return
    const { book, store, clock } = this.#deps
    const now = clock()
    const told = push.slice(0, PUSH_MAX).flatMap((update) => read(update, origin, now) ?? [])
    // Nobody here shares a room with a user who was never seen.
    const nids = await store.read(async (tx) => {
      const found: (UserNid | null)[] = []
      for (const { userId } of told) found.push(await tx.users.nid(userId))
      return found
    })
    const timeSlice = new TimeSlice()
    for (const [i, update] of told.entries()) {
      await timeSlice.yieldIfDue()
      const userNid = nids[i]
      if (userNid == null) continue
      book.put({ ...update, userNid })
      this.#heard(userNid, now)
    }
  }

  /** Takes those for offline who haven't been told of for long. */
  async expire(): Promise<void> {
    const { book, clock } = this.#deps
    const timeSlice = new TimeSlice()
    for (const [userNid, heardAt] of this.#heardAt) {
      // Read anew: others may be heard of meanwhile.
      const now = clock()
      // What was heard later than now was heard before the clock was put back.
      if (heardAt <= now && heardAt > now - SILENT_AFTER_MS) break
      await timeSlice.yieldIfDue()
      this.#heardAt.delete(userNid)
      const user = book.get(userNid)
      if (user !== null) book.put({ ...user, presence: 'offline', currentlyActive: false })
    }
  }

  #heard(userNid: UserNid, now: number): void {
    this.#heardAt.delete(userNid)
    this.#heardAt.set(userNid, now)
    if (this.#heardAt.size <= REMOTE_USERS_MAX) return
    for (const oldest of this.#heardAt.keys()) {
      this.#heardAt.delete(oldest)
      this.#deps.book.forget(oldest)
      break
    }
  }
}

function read(value: JsonValue, origin: ServerName, now: number): Omit<UserPresence, 'userNid'> | null {
  if (!isJsonObject(value)) return null
  const userId = member(value, 'user_id')
  if (typeof userId !== 'string' || !isUserId(userId) || serverOf(userId) !== origin) return null
  const presence = PRESENCES.find((known) => known === member(value, 'presence'))
  if (presence === undefined) return null
  return {
    userId: userId satisfies UserId,
    presence: presence satisfies Presence,
    statusMsg: statusOf(value),
    lastActiveTs: lastActiveOf(value, now),
    currentlyActive: presence === 'online' && member(value, 'currently_active') === true,
  }
}

function statusOf(update: JsonObject): string | null {
  const text = member(update, 'status_msg')
  return typeof text === 'string' && text.length <= STATUS_LENGTH_MAX && text.isWellFormed() ? text : null
}

function lastActiveOf(update: JsonObject, now: number): number | null {
  const ago = member(update, 'last_active_ago')
  return typeof ago === 'number' && ago >= 0 && ago <= now ? now - Math.trunc(ago) : null
}
