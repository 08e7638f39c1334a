import type { FollowedEntry, LogBatch } from '#services/log/follower.ts'
import type { Following } from '#services/log/following.ts'
import type { LogFollowers } from '#services/log/log-followers.ts'
import type { TypingService } from '#services/typing/typing-service.ts'
import type { Store } from '#store/store.ts'

type Deps = {
  readonly store: Store
  readonly typing: TypingService
  readonly followers: LogFollowers
}

/** Follows the log for users who leave a room, or are removed from it, while they type there: they stop. */
export class TypingDepartures {
  readonly #deps: Deps
  readonly #following: Following

  constructor(deps: Deps) {
    this.#deps = deps
    this.#following = deps.followers.follow({
      name: 'typing',
      topics: ['member'],
      isNeeded: () => deps.typing.isAnybodyTyping,
      handle: (batch) => this.#stopDeparted(batch),
    })
  }

  /** Resolves when nobody is being looked up any more. */
  close(): Promise<void> {
    return this.#following.close()
  }

  async #stopDeparted({ entries }: LogBatch): Promise<null> {
    const { store, typing } = this.#deps
    const moves = entries.filter(isMembershipChange).filter(({ roomNid }) => typing.typingIn(roomNid).length > 0)
    if (moves.length === 0) return null
    const departed = await store.read(async (tx) => {
      const found = []
      for (const { roomNid, userNid } of moves) {
        const now = await tx.memberships.one(userNid, roomNid)
        if (now?.membership !== 'join') found.push({ roomNid, userId: await tx.users.userId(userNid) })
      }
      return found
    })
    for (const { roomNid, userId } of departed) typing.stop(roomNid, userId)
    return null
  }
}

type MembershipChange = FollowedEntry & { readonly [field in 'roomNid' | 'userNid']: NonNullable<FollowedEntry[field]> }

function isMembershipChange(entry: FollowedEntry): entry is MembershipChange {
  return entry.roomNid !== null && entry.userNid !== null
}
