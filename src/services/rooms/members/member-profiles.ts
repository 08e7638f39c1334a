import type { RoomId, UserId } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { membershipOf, profileContent } from '#services/rooms/members/member-content.ts'
import type { RoomDraft } from '#services/rooms/queue/room-draft.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'

/** Rooms of a user that are changed side by side. */
const ROOMS_AT_ONCE = 10
/** Rooms that a change of profile waits for; further ones follow in the background. */
const ROOMS_AWAITED_MAX = 50
/** How far changes of profiles have been carried into rooms is kept under this name. */
const FOLLOWER = 'member-profiles'

type Run = {
  /** Whether the profile has changed again since the rooms were begun with. */
  again: boolean
  done: Promise<void>
}

/**
 * Carries display names and avatars into the member events of the user's rooms ("Events on Change of Profile
 * Information"). Changes that come while one of the same user is on its way are carried together; what a stop cut off
 * is taken up at the next start.
 */
export class MemberProfiles {
  readonly #context: RoomContext
  readonly #onError: (error: unknown) => void
  readonly #running = new Map<UserId, Run>()

  constructor(context: RoomContext, onError: (error: unknown) => void) {
    this.#context = context
    this.#onError = onError
  }

  /** Brings the user's rooms up to the profile as it is now. Resolves when the first 50 of them are done. */
  propagate(userId: UserId): Promise<void> {
    const running = this.#running.get(userId)
    if (running !== undefined) {
      running.again = true
      return running.done
    }
    const firstRooms = Promise.withResolvers<void>()
    const run: Run = { again: false, done: firstRooms.promise }
    this.#running.set(userId, run)
    run.done = this.#run(userId, run, firstRooms.resolve)
    return firstRooms.promise
  }

  /** Takes up what was cut off. */
  async resume(): Promise<void> {
    const users = await this.#context.store.read(async (tx) => {
      const changes = await tx.profiles.changes(await tx.log.followerPosition(FOLLOWER), await tx.position())
      return [...(await tx.users.userIds(changes.map(({ userNid }) => userNid))).values()]
    })
    for (const userId of users) await this.propagate(userId)
  }

  /** Resolves when nothing is on its way. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all([...this.#running.values()].map(({ done }) => done))
  }

  async #run(userId: UserId, run: Run, firstRoomsDone: () => void): Promise<void> {
    try {
      let position: number
      do {
        run.again = false
        position = this.#context.store.position()
        await this.#carry(userId, firstRoomsDone)
      } while (run.again)
      // The last one to finish notes it for all.
      if (this.#running.size === 1) {
        await this.#context.store.write((tx) => tx.log.setFollowerPosition(FOLLOWER, position))
      }
    } catch (error) {
      this.#onError(error)
    } finally {
      this.#running.delete(userId)
      firstRoomsDone()
    }
  }

  async #carry(userId: UserId, firstRoomsDone: () => void): Promise<void> {
    const rooms = await this.#joinedRooms(userId)
    for (let at = 0; at < rooms.length; at += ROOMS_AT_ONCE) {
      if (at >= ROOMS_AWAITED_MAX) firstRoomsDone()
      await Promise.all(rooms.slice(at, at + ROOMS_AT_ONCE).map((roomId) => this.#update(roomId, userId)))
    }
  }

  #joinedRooms(userId: UserId): Promise<RoomId[]> {
    return this.#context.store.read(async (tx) => {
      const user = await tx.users.nid(userId)
      const rows = user === null ? [] : await tx.memberships.ofUser(user, ['join'])
      return [...(await tx.rooms.roomIds(rows.map(({ roomNid }) => roomNid))).values()]
    })
  }

  async #update(roomId: RoomId, userId: UserId): Promise<void> {
    try {
      await this.#context.queues.run(roomId, { run: (draft) => this.#send(draft, userId) })
    } catch (error) {
      // A room that refuses must not keep the others from it.
      if (!(error instanceof MatrixError)) throw error
    }
  }

  async #send(draft: RoomDraft, userId: UserId): Promise<void> {
    const current = await draft.state('m.room.member', userId)
    if (current === null || membershipOf(current) !== 'join') return
    const profile = await this.#context.store.read((tx) => profileContent(tx, userId, this.#context.serverName))
    const {
      displayname: _name,
      avatar_url: _avatar,
      // These belong to the join itself. "it is … encouraged to exclude this field in the copy": it would need a
      // signature of its own.
      join_authorised_via_users_server: _via,
      third_party_invite: _invite,
      reason: _reason,
      ...kept
    } = current.content
    const content = { ...kept, ...profile }
    if (canonicalJson(content) === canonicalJson(current.content)) return
    await draft.send({ type: 'm.room.member', stateKey: userId, sender: userId, content })
  }
}
