import { integerList } from '#store/sql/connection.ts'
import { membershipNumber, membershipOfNumber } from '#store/sql/membership-numbers.ts'
import { OutOfBandMemberships } from '#store/sql/out-of-band-memberships.ts'
import type { Sql } from '#store/sql/sql.ts'
import type { MembershipsTables } from '#store/sql/tables/memberships.ts'
import type { EventNid } from '#store/types/events.ts'
import type { Membership, MembershipRow, MembershipStore } from '#store/types/memberships.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

const JOIN = membershipNumber('join')

export function membershipStore(sql: Sql): MembershipStore {
  const outside = new OutOfBandMemberships(sql)
  const one = sql.prepare((db, p: { user: number; room: number }) =>
    db.selectFrom('memberships').selectAll().where('user_nid', '=', p.user).where('room_nid', '=', p.room),
  )
  const ofUser = sql.prepare((db, p: { user: number; memberships: string }) =>
    db
      .selectFrom('memberships')
      .selectAll()
      .where('user_nid', '=', p.user)
      .where('membership', 'in', sql.integers(p.memberships))
      .where('forgotten', '=', 0)
      .orderBy('room_nid'),
  )
  const ofUserBetween = sql.prepare((db, p: { user: number; from: number; to: number }) =>
    db
      .selectFrom('memberships')
      .selectAll()
      .where('user_nid', '=', p.user)
      .where('position', '>', p.from)
      .where('position', '<=', p.to)
      .orderBy('position'),
  )
  const ofRoom = sql.prepare((db, p: { room: number; memberships: string }) =>
    db
      .selectFrom('memberships')
      .selectAll()
      .where('room_nid', '=', p.room)
      .where('membership', 'in', sql.integers(p.memberships))
      .orderBy('user_nid'),
  )
  const at = sql.prepare((db, p: { user: number; room: number; position: number }) =>
    db
      .selectFrom('membership_log')
      .select(['membership', 'event_nid'])
      .where('room_nid', '=', p.room)
      .where('user_nid', '=', p.user)
      .where('position', '<=', p.position)
      .orderBy('position', 'desc')
      .limit(1),
  )
  const history = sql.prepare((db, p: { user: number; room: number }) =>
    db
      .selectFrom('membership_log')
      .select(['membership', 'event_nid', 'position'])
      .where('room_nid', '=', p.room)
      .where('user_nid', '=', p.user)
      .orderBy('position'),
  )
  const counts = sql.prepare((db, p: { room: number }) =>
    db.selectFrom('rooms').select(['joined', 'invited']).where('nid', '=', p.room),
  )
  // One membership at a time, so that the index gives them in order and the rest is never read.
  const eldest = sql.prepare((db, p: { room: number; membership: number; except: number; limit: number }) =>
    db
      .selectFrom('memberships')
      .select(['user_nid', 'since'])
      .where('room_nid', '=', p.room)
      .where('membership', '=', p.membership)
      .where('user_nid', '<>', p.except)
      .orderBy('since')
      .orderBy('user_nid')
      .limit(p.limit),
  )
  const localSince = sql.prepare((db, p: { room: number }) =>
    db
      .selectFrom('memberships')
      .select('since')
      .where('room_nid', '=', p.room)
      .where('membership', '=', JOIN)
      .where((is) =>
        is.exists(
          is.selectFrom('accounts').select('user_nid').whereRef('accounts.user_nid', '=', 'memberships.user_nid'),
        ),
      )
      .orderBy('since')
      .limit(1),
  )
  const sharing = sql.prepare((db, p: { user: number }) =>
    db
      .selectFrom('memberships as own')
      .innerJoin('memberships as other', 'other.room_nid', 'own.room_nid')
      .select('other.user_nid')
      .distinct()
      .where('own.user_nid', '=', p.user)
      .where('own.membership', '=', JOIN)
      .where('other.membership', '=', JOIN)
      .where('other.user_nid', '<>', p.user),
  )

  /** Members with one of two memberships, by when it began. */
  async function firstOf(room: RoomNid, memberships: readonly Membership[], except: UserNid, limit: number) {
    const found: { user_nid: number; since: number }[] = []
    for (const membership of memberships) {
      found.push(...(await eldest.all({ room, membership: membershipNumber(membership), except, limit })))
    }
    found.sort((a, b) => a.since - b.since || a.user_nid - b.user_nid)
    return found.slice(0, limit).map((row) => row.user_nid as UserNid)
  }

  return {
    async one(user, room) {
      const row = await one.get({ user, room })
      return row === undefined ? null : membership(row)
    },

    async ofUser(user, memberships) {
      return (await ofUser.all({ user, memberships: numberList(memberships) })).map(membership)
    },

    async ofUserBetween(user, from, to) {
      return (await ofUserBetween.all({ user, from, to })).map(membership)
    },

    async ofRoom(room, memberships) {
      return (await ofRoom.all({ room, memberships: numberList(memberships) })).map(membership)
    },

    async at(user, room, position) {
      const row = await at.get({ user, room, position })
      if (row === undefined) return null
      return { membership: membershipOfNumber(row.membership), eventNid: row.event_nid as EventNid }
    },

    async history(user, room) {
      const rows = await history.all({ user, room })
      return rows.map((row) => ({
        membership: membershipOfNumber(row.membership),
        eventNid: row.event_nid as EventNid,
        position: row.position,
      }))
    },

    async counts(room) {
      const row = await counts.get({ room })
      return { joined: row?.joined ?? 0, invited: row?.invited ?? 0 }
    },

    async heroes(room, except, limit) {
      const present = await firstOf(room, ['join', 'invite'], except, limit)
      return present.length > 0 ? present : firstOf(room, ['leave', 'ban'], except, limit)
    },

    async localSince(room) {
      return (await localSince.get({ room }))?.since ?? null
    },

    async sharingRoomsWith(user) {
      return (await sharing.all({ user })).map((row) => row.user_nid as UserNid)
    },

    stripped: (user, room) => outside.stripped(user, room),

    setOutOfBand: (membership) => outside.set(membership),

    async setForgotten(user, room) {
      await sql.run('UPDATE memberships SET forgotten = 1 WHERE user_nid = ? AND room_nid = ?', [user, room])
    },
  }
}

const numberList = (memberships: readonly Membership[]) => integerList(memberships.map(membershipNumber))

function membership(row: MembershipsTables['memberships']): MembershipRow {
  return {
    userNid: row.user_nid as UserNid,
    roomNid: row.room_nid as RoomNid,
    membership: membershipOfNumber(row.membership),
    eventNid: row.event_nid as EventNid,
    since: row.since,
    position: row.position,
    forgotten: row.forgotten === 1,
  }
}
