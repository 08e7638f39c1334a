import type { TypingService } from '#services/typing/typing-service.ts'
import type { Store } from '#store/store.ts'
import type { LogEntry } from '#store/types/log.ts'

type Deps = {
  readonly store: Store
  readonly typing: TypingService
  /** Told of failures that no request waits for. */
  readonly onError: (error: unknown) => void
}

/** How many log entries one look takes; those who left in what is skipped stop typing when their time is over. */
const ENTRIES_PER_LOOK_MAX = 1_000

/** Follows the log for users who leave a room, or are removed from it, while they type there: they stop. */
export class TypingDepartures {
  readonly #deps: Deps
  readonly #stopListening: () => void
  #seen: number
  #looking: Promise<void> | null = null

  constructor(deps: Deps) {
    this.#deps = deps
    this.#seen = deps.store.position()
    this.#stopListening = deps.store.onCommit(() => this.#look())
  }

  /** Resolves when no look is under way any more. */
  async close(): Promise<void> {
    this.#stopListening()
    await this.#looking
  }

  #look(): void {
    const { store, typing, onError } = this.#deps
    if (!typing.isAnybodyTyping) this.#seen = store.position()
    if (this.#seen >= store.position()) return
    this.#looking ??= this.#stopDeparted()
      .catch(onError)
      .finally(() => {
        this.#looking = null
        this.#look()
      })
  }

  async #stopDeparted(): Promise<void> {
    const { store, typing } = this.#deps
    const from = this.#seen
    const to = store.position()
    this.#seen = to
    const departed = await store.read(async (tx) => {
      const found = []
      for (const entry of await tx.log.between(from, to, ENTRIES_PER_LOOK_MAX)) {
        if (!isMembershipChange(entry)) continue
        const { roomNid, userNid } = entry
        const now = await tx.memberships.one(userNid, roomNid)
        if (now?.membership !== 'join') found.push({ roomNid, userId: await tx.users.userId(userNid) })
      }
      return found
    })
    for (const { roomNid, userId } of departed) typing.stop(roomNid, userId)
  }
}

type MembershipChange = LogEntry & { readonly [field in 'roomNid' | 'userNid']: NonNullable<LogEntry[field]> }

function isMembershipChange(entry: LogEntry): entry is MembershipChange {
  return entry.kind === 'event' && entry.roomNid !== null && entry.userNid !== null
}
