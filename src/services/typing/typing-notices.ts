import type { RoomId } from '#core/ids.ts'
import { accessOfJoined } from '#services/timeline/room-access.ts'
import type { Reader } from '#services/timeline/visible-events.ts'
import type { TypingService } from '#services/typing/typing-service.ts'
import type { Store } from '#store/store.ts'

/** How long a user types who doesn't say. */
export const TYPING_TIMEOUT_MS_DEFAULT = 30_000

type Deps = { readonly store: Store; readonly typing: TypingService }

/** What users tell of their typing, checked against the rooms that they are in. */
export class TypingNotices {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** The user types for `timeoutMs`, or (null) no longer. @throws M_FORBIDDEN for users who aren't joined */
  async set(user: Reader, roomId: RoomId, timeoutMs: number | null): Promise<void> {
    const { room } = await this.#deps.store.read((tx) => accessOfJoined(tx, roomId, user))
    if (timeoutMs === null) this.#deps.typing.stop(room.nid, user.userId)
    else this.#deps.typing.start(room.nid, user.userId, timeoutMs)
  }
}
