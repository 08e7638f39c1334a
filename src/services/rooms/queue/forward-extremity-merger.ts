import { type RoomId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import { stateBefore } from '#services/rooms/pipeline/state-before.ts'
import type { RoomQueues } from '#services/rooms/queue/room-queues.ts'
import { RefusedEventError } from '#services/rooms/refused-event-error.ts'
import { powerLevels } from '#services/rooms/sending/redactions.ts'
import type { Store } from '#store/store.ts'
import { StaleHeadError } from '#store/types/events.ts'
import type { RoomRow } from '#store/types/rooms.ts'

/** A room with more forward extremities gets an event that joins them. */
export const EXTREMITIES_MAX = 10
/** The event that does. Clients make nothing of it. */
export const DUMMY_EVENT = 'org.matrix.dummy_event'
/** Local members who are tried. */
const SENDERS_MAX = 10
/** Dummy events that are sent at once. */
const ROUNDS_MAX = 5

/** Keeps forks from piling up: each further event would have to be judged by the resolution of all of them. */
export class ForwardExtremityMerger {
  readonly #store: Store
  readonly #queues: RoomQueues
  readonly #serverName: ServerName

  constructor(store: Store, queues: RoomQueues, serverName: ServerName) {
    this.#store = store
    this.#queues = queues
    this.#serverName = serverName
  }

  /** Joins a room's forks if there are too many, where a local member may. */
  async join(roomId: RoomId): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const isForked = await this.#store.read(async (tx) => {
        const room = await tx.rooms.byId(roomId)
        return room !== null && (await tx.rooms.extremities(room.nid)).length > EXTREMITIES_MAX
      })
      if (!isForked || !(await this.#sendDummy(roomId))) return
    }
  }

  async #sendDummy(roomId: RoomId): Promise<boolean> {
    for (const sender of await this.#senders(roomId)) {
      try {
        await this.#queues.run(roomId, {
          run: (draft) => draft.send({ type: DUMMY_EVENT, sender, content: {} }),
        })
      } catch (error) {
        if (error instanceof RefusedEventError) continue
        throw error
      }
      await this.#queues.inTurn(roomId, () => this.#resolveAgain(roomId))
      return true
    }
    return false
  }

  /** Local members with the power to send it. */
  async #senders(roomId: RoomId): Promise<UserId[]> {
    const local = await this.#store.read(async (tx) => {
      const room = await tx.rooms.byId(roomId)
      if (room === null) return []
      const members = await tx.memberships.ofRoom(room.nid, ['join'])
      const userIds = await tx.users.userIds(members.map(({ userNid }) => userNid))
      return [...userIds.values()].filter((userId) => serverOf(userId) === this.#serverName)
    })
    if (local.length === 0) return []
    return this.#queues.run(roomId, {
      run: async (draft) => {
        const levels = await powerLevels(draft)
        const needed = levels.levelForEvent(DUMMY_EVENT, false)
        return local.filter((userId) => levels.userLevel(userId) >= needed).slice(0, SENDERS_MAX)
      },
    })
  }

  /** A dummy event cites only some of the extremities: the room's current state is that of all. */
  async #resolveAgain(roomId: RoomId): Promise<void> {
    const found = await this.#store.read(async (tx) => {
      const room = await tx.rooms.byId(roomId)
      return room === null ? null : { room, extremities: await tx.rooms.extremities(room.nid) }
    })
    if (found === null || found.extremities.length < 2) return
    const { room, extremities } = found
    const rules = ROOM_VERSIONS.get(room.version)!
    const states = extremities.map(({ stateAfter }) => stateAfter)
    await this.#set(room, await stateBefore(this.#store, room.nid, rules, states))
  }

  async #set(room: RoomRow, currentState: RoomRow['stateId']): Promise<void> {
    if (currentState === room.stateId) return
    try {
      await this.#store.append({ roomNid: room.nid, expectedHeadSeq: room.headSeq, events: [], currentState })
    } catch (error) {
      // Another process has written to the room, and resolved its state in doing so.
      if (!(error instanceof StaleHeadError)) throw error
    }
  }
}
