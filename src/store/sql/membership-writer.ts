import { isUserId, type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { MEMBERSHIP, MEMBERSHIP_LOG, NO_STRIPPED_STATE } from '#store/sql/append-rows.ts'
import { integerList } from '#store/sql/connection.ts'
import { asMembership, membershipNumber, membershipOfNumber } from '#store/sql/membership-numbers.ts'
import { inParts, Pauses } from '#store/sql/pauses.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import { type JoinedChange, RoomServerWriter } from '#store/sql/room-server-writer.ts'
import type { RowBatch } from '#store/sql/row-batch.ts'
import type { Sql } from '#store/sql/sql.ts'
import { UnsharedLists } from '#store/sql/unshared-lists.ts'
import { userStore } from '#store/sql/users.ts'
import type { EventNid } from '#store/types/events.ts'
import type { Membership } from '#store/types/memberships.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid, UserStore } from '#store/types/users.ts'

/** A user's member event in a room's current state changed. */
export type MemberChange = {
  /** The state key, which may be anything. */
  readonly userId: string
  readonly eventNid: EventNid
  /** As the event has it, which may be anything. */
  readonly membership: unknown
  readonly position: number
}

export type MembershipCounts = {
  /** By how many the members changed. */
  readonly joined: number
  readonly invited: number
  readonly localJoined: number
  /** Whose membership changed at a position. */
  readonly members: Map<number, UserNid>
}

type Standing = { membership: Membership; eventNid: EventNid; since: number; position: number; forgotten: boolean }

/** Carries changes of member events into the memberships, their log and the rooms' counts. */
export class MembershipWriter {
  readonly #users: UserStore
  readonly #serverName: ServerName
  readonly #servers: RoomServerWriter
  readonly #unshared: UnsharedLists
  readonly #standing

  constructor(sql: Sql) {
    this.#users = perConnection(sql, userStore)
    this.#serverName = sql.serverName
    this.#servers = new RoomServerWriter(sql)
    this.#unshared = new UnsharedLists(sql)
    this.#standing = sql.prepare((db, p: { room: number; users: string }) =>
      db
        .selectFrom('memberships')
        .selectAll()
        .where('room_nid', '=', p.room)
        .where('user_nid', 'in', sql.integers(p.users)),
    )
  }

  async write(room: RoomNid, changes: readonly MemberChange[], batch: RowBatch): Promise<MembershipCounts> {
    const counts = { join: 0, invite: 0, knock: 0, leave: 0, ban: 0 }
    const joins: JoinedChange[] = []
    const departed: UserNid[] = []
    const members = new Map<number, UserNid>()
    const users = await this.#intern(changes)
    const standing = await this.#load(room, users)
    const pauses = new Pauses()
    for (const { userId, eventNid, membership: claimed, position } of changes) {
      if (pauses.due()) await pauses.pause()
      const user = users.get(userId)
      if (user === undefined) continue
      const membership = asMembership(claimed) ?? 'leave'
      const before = standing.get(user)
      if (before?.membership === membership) {
        standing.set(user, { ...before, eventNid, position })
        continue
      }
      standing.set(user, { membership, eventNid, since: position, position, forgotten: false })
      members.set(position, user)
      counts[membership]++
      if (before !== undefined) counts[before.membership]--
      if (membership === 'join') joins.push({ server: serverOf(userId as UserId), change: 1, position })
      else if (before?.membership === 'join') {
        joins.push({ server: serverOf(userId as UserId), change: -1, position })
        if (serverOf(userId as UserId) !== this.#serverName) departed.push(user)
      }
      batch.add(MEMBERSHIP_LOG, room, user, position, membershipNumber(membership), eventNid)
    }
    for (const user of new Set(users.values())) {
      if (pauses.due()) await pauses.pause()
      const now = standing.get(user)!
      const row = [now.eventNid, now.since, now.position, now.forgotten] as const
      batch.add(MEMBERSHIP, user, room, membershipNumber(now.membership), ...row)
      batch.add(NO_STRIPPED_STATE, user, room)
    }
    await this.#servers.write(room, joins, batch)
    const local = joins.filter(({ server }) => server === this.#serverName)
    const localJoined = local.reduce((sum, { change }) => sum + change, 0)
    await this.#unshared.departed(room, departed)
    await this.#unshared.localChange(room, localJoined)
    return { joined: counts.join, invited: counts.invite, localJoined, members }
  }

  /** The users' numbers. State keys that are no user ids have none. */
  async #intern(changes: readonly MemberChange[]): Promise<Map<string, UserNid>> {
    const users = new Map<string, UserNid>()
    const pauses = new Pauses()
    for (const { userId } of changes) {
      if (isUserId(userId) && !users.has(userId)) users.set(userId, await this.#users.intern(userId))
      if (pauses.due()) await pauses.pause()
    }
    return users
  }

  async #load(room: RoomNid, users: ReadonlyMap<string, UserNid>): Promise<Map<UserNid, Standing>> {
    if (users.size === 0) return new Map()
    const rows = await inParts(users.values(), (some) => this.#standing.all({ room, users: integerList(some) }))
    return new Map(
      rows.map((row) => [
        row.user_nid as UserNid,
        {
          membership: membershipOfNumber(row.membership),
          eventNid: row.event_nid as EventNid,
          since: row.since,
          position: row.position,
          forgotten: row.forgotten === 1,
        },
      ]),
    )
  }
}
