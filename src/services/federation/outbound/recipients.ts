import { LRUCache } from 'lru-cache'
import { isUserId, type ServerName, serverOf } from '#core/ids.ts'
import { member } from '#core/json/value.ts'
import type { ReadTx } from '#store/store.ts'
import type { LoggedEvent } from '#store/types/log.ts'
import type { RoomNid } from '#store/types/rooms.ts'

/** How many servers of rooms are kept at hand, over all rooms. */
const REMEMBERED_SERVERS_MAX = 500_000

/**
 * Which servers an event is for. Events must be asked for in the order of the log, and each change of a membership be
 * told: in between, the servers of a room stay the same.
 */
export class Recipients {
  readonly #own: ServerName
  /** The other servers in a room, as of the last event that was looked at. */
  readonly #inRoom = new LRUCache<RoomNid, ReadonlySet<ServerName>>({
    maxSize: REMEMBERED_SERVERS_MAX,
    sizeCalculation: (servers) => 1 + servers.size,
  })

  constructor(own: ServerName) {
    this.#own = own
  }

  /** The servers in the room after the event. For a member event also those before it, and the server of that user. */
  async of(tx: ReadTx, logged: LoggedEvent): Promise<ReadonlySet<ServerName>> {
    const { event, roomNid, position } = logged
    if (event.type !== 'm.room.member' || event.stateKey === null) return this.#inRoomAt(tx, roomNid, position)
    // Removed users' servers hear of it too: they are in the room before, though not after.
    const before = await this.#inRoomAt(tx, roomNid, position - 1)
    this.membershipChanged(roomNid)
    const after = await this.#inRoomAt(tx, roomNid, position)
    if (await this.#cameThroughOthers(tx, logged)) return new Set()
    return new Set([...before, ...after, ...(await this.#serverOfMember(tx, logged))])
  }

  /** The other servers in a room, if they are at hand: whom anything but a membership is for. */
  known(room: RoomNid): ReadonlySet<ServerName> | null {
    return this.#inRoom.get(room) ?? null
  }

  membershipChanged(room: RoomNid): void {
    this.#inRoom.delete(room)
  }

  /** To be called when the order of the log was broken. */
  forget(): void {
    this.#inRoom.clear()
  }

  /** The other servers in a room now, for what isn't an event. */
  async inRoomNow(tx: ReadTx, room: RoomNid): Promise<ReadonlySet<ServerName>> {
    return this.#inRoom.get(room) ?? this.#others(tx, room, (await tx.rooms.serversIn(room)).keys())
  }

  async #inRoomAt(tx: ReadTx, room: RoomNid, position: number): Promise<ReadonlySet<ServerName>> {
    const known = this.#inRoom.get(room)
    if (known !== undefined) return known
    const servers = await this.#others(tx, room, await tx.rooms.serversAt(room, position))
    this.#inRoom.set(room, servers)
    return servers
  }

  async #others(tx: ReadTx, room: RoomNid, servers: Iterable<ServerName>): Promise<ReadonlySet<ServerName>> {
    const found = new Set(servers)
    // While the members aren't known, the servers are those that the join's answer named.
    for (const server of (await tx.rooms.byNid(room))?.partial?.servers ?? []) found.add(server)
    found.delete(this.#own)
    return found
  }

  /** The first of this server's users came in with the help of a server in the room, which tells the others of it. */
  async #cameThroughOthers(tx: ReadTx, { event, roomNid, position }: LoggedEvent): Promise<boolean> {
    if (member(event.content, 'membership') !== 'join') return false
    return !(await tx.rooms.serversAt(roomNid, position - 1)).has(this.#own)
  }

  /** An invite goes its own way; who was invited, or knocked, hears of the end of it. */
  async #serverOfMember(tx: ReadTx, { event, roomNid, position }: LoggedEvent): Promise<ServerName[]> {
    const target = event.stateKey ?? ''
    if (!isUserId(target) || serverOf(target) === this.#own) return []
    const user = await tx.users.nid(target)
    const before = user === null ? null : await tx.memberships.at(user, roomNid, position - 1)
    return before?.membership === 'invite' || before?.membership === 'knock' ? [serverOf(target)] : []
  }
}
