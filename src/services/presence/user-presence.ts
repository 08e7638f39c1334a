import type { UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import type { UserNid } from '#store/types/users.ts'

/** The most present first. */
export const PRESENCES = ['online', 'unavailable', 'offline'] as const
export type Presence = (typeof PRESENCES)[number]

/** What is known of one user, of this server or another. */
export type UserPresence = {
  readonly userNid: UserNid
  readonly userId: UserId
  readonly presence: Presence
  readonly statusMsg: string | null
  /** When the user last did something (ms); null if that isn't known. */
  readonly lastActiveTs: number | null
  /** Doing something right now: clients needn't be told of each single thing. */
  readonly currentlyActive: boolean
}

/** The content of an `m.presence` event, and the answer to who asks for it. */
export function presenceContent(user: UserPresence, now: number): JsonObject {
  return {
    presence: user.presence,
    ...(user.lastActiveTs !== null && { last_active_ago: Math.max(0, now - user.lastActiveTs) }),
    ...(user.statusMsg !== null && { status_msg: user.statusMsg }),
    ...(user.presence === 'online' && { currently_active: user.currentlyActive }),
  }
}

/** The event that tells a client. */
export function presenceEvent(user: UserPresence, now: number) {
  return { type: 'm.presence', sender: user.userId, content: presenceContent(user, now) }
}

/** Whether anybody has to be told of the difference. */
export function isSamePresence(a: UserPresence, b: UserPresence): boolean {
  return a.presence === b.presence && a.statusMsg === b.statusMsg && a.currentlyActive === b.currentlyActive
}
