import type { ServerName } from '#core/ids.ts'
import { integerList } from '#store/sql/connection.ts'
import { logKindNumber } from '#store/sql/log.ts'
import { membershipNumber } from '#store/sql/membership-numbers.ts'
import { perConnection } from '#store/sql/per-connection.ts'
import type { Sql } from '#store/sql/sql.ts'
import { stateKeys } from '#store/sql/state-keys.ts'
import type { PartialState, RoomNid } from '#store/types/rooms.ts'
import type { SharingReader } from '#store/types/sharing.ts'
import type { UserNid } from '#store/types/users.ts'

const JOIN = membershipNumber('join')
const EVENT = logKindNumber('event')
const ENCRYPTION = 'm.room.encryption'

/**
 * All questions begin with the few users or rooms that they are about, and look the others up one by one: their cost
 * doesn't depend on how many users somebody shares rooms with.
 */
export function sharingReader(sql: Sql): SharingReader {
  const keys = perConnection(sql, stateKeys)
  const given = sql.dialect === 'sqlite' ? 'json_each(?) AS c' : 'json_array_elements_text(?::json) AS c (value)'
  const candidate = sql.dialect === 'sqlite' ? 'c.value' : 'c.value::bigint'
  const joinedRoom = `SELECT 1 FROM memberships AS theirs WHERE theirs.user_nid = ${candidate} AND theirs.membership = ${JOIN}`
  const ownJoined = `SELECT 1 FROM memberships AS own
     WHERE own.user_nid = ? AND own.room_nid = theirs.room_nid AND own.membership = ${JOIN}`
  const each = (condition: string) => `SELECT ${candidate} AS user_nid FROM ${given} WHERE EXISTS (${condition})`
  const withUser = each(`${joinedRoom} AND EXISTS (${ownJoined})`)
  const withUserSince = each(`${joinedRoom} AND theirs.since <= ? AND EXISTS (${ownJoined} AND own.since <= ?)`)
  // How a room came to be encrypted: of state that came with a join, no position is known.
  const encryption = (room: string, position: string) => `SELECT 1 FROM current_state AS found
     JOIN events ON events.nid = found.event_nid
     WHERE found.room_nid = ${room} AND found.type_nid = ? AND found.key_nid = ?${position}`
  const encryptedNow = encryption('theirs.room_nid', '')
  const encryptedBefore = encryption('theirs.room_nid', ' AND (events.position IS NULL OR events.position <= ?)')
  const newlyEncrypted = each(
    `${joinedRoom} AND EXISTS (${encryptedNow}) AND EXISTS (${ownJoined})) AND NOT EXISTS (
      ${joinedRoom} AND theirs.since <= ? AND EXISTS (${encryptedBefore}) AND EXISTS (${ownJoined} AND own.since <= ?)`,
  )
  const encryptedAfter = encryption('own.room_nid', ' AND events.position > ?')
  const encryptedOfUser = `SELECT own.room_nid FROM memberships AS own
    WHERE own.user_nid = ? AND own.membership = ${JOIN} AND EXISTS (${encryptedAfter})`
  const encryptedInLog = `SELECT DISTINCT own.room_nid FROM log CROSS JOIN memberships AS own
    WHERE log.position > ? AND log.position <= ? AND log.kind = ${EVENT} AND own.room_nid = log.room_nid
      AND own.user_nid = ? AND own.membership = ${JOIN} AND EXISTS (${encryptedAfter})`
  const withAnyone = each(
    `${joinedRoom} AND EXISTS (SELECT 1 FROM rooms WHERE rooms.nid = theirs.room_nid AND rooms.local_joined > 0)`,
  )
  // CROSS JOIN keeps SQLite from beginning with the other members.
  const newMemberships = `SELECT theirs.room_nid, theirs.user_nid
    FROM memberships AS own CROSS JOIN memberships AS theirs
    WHERE own.user_nid = ? AND own.membership = ${JOIN} AND theirs.room_nid = own.room_nid
      AND theirs.membership IN (0, 1, 2, 3, 4) AND theirs.since > ? AND theirs.user_nid <> own.user_nid`
  const logged = `SELECT DISTINCT room_nid, user_nid FROM log
    WHERE position > ? AND position <= ? AND kind = ${EVENT} AND user_nid IS NOT NULL`
  const wasJoined = `m.position <= ? AND m.membership = ${JOIN} AND NOT EXISTS (
      SELECT 1 FROM membership_log AS later WHERE later.room_nid = m.room_nid AND later.user_nid = m.user_nid
        AND later.position > m.position AND later.position <= ?)`
  const joinedAt = `SELECT m.user_nid FROM membership_log AS m WHERE m.room_nid = ? AND ${wasJoined}`
  const joinedAtOf = `SELECT ${candidate} AS user_nid FROM ${given} WHERE EXISTS (
      SELECT 1 FROM membership_log AS m WHERE m.user_nid = ${candidate} AND m.room_nid = ? AND ${wasJoined})`
  const localMembers = `SELECT memberships.user_nid FROM memberships
    WHERE room_nid = ? AND membership = ${JOIN}
      AND EXISTS (SELECT 1 FROM accounts WHERE accounts.user_nid = memberships.user_nid)
    ORDER BY memberships.user_nid`

  // A room whose members aren't known yet has the servers that the join's answer named.
  const partial = `SELECT rooms.partial FROM memberships JOIN rooms ON rooms.nid = memberships.room_nid
    WHERE memberships.user_nid = ? AND memberships.membership = ${JOIN} AND rooms.partial IS NOT NULL`
  const servers = `SELECT DISTINCT room_servers.server FROM memberships
    JOIN room_servers ON room_servers.room_nid = memberships.room_nid
    WHERE memberships.user_nid = ? AND memberships.membership = ${JOIN}`
  const arrivals = 'SELECT server FROM room_server_log WHERE room_nid = ? AND position = ? AND present = 1'

  const users = async (text: string, parameters: readonly (number | string)[]) =>
    (await sql.all<{ user_nid: number }>(text, parameters)).map((row) => row.user_nid as UserNid)
  const pairs = async (text: string, parameters: readonly number[]) =>
    (await sql.all<{ room_nid: number; user_nid: number }>(text, parameters)).map((row) => ({
      roomNid: row.room_nid as RoomNid,
      userNid: row.user_nid as UserNid,
    }))

  return {
    withUser: (user, candidates) => users(withUser, [integerList(candidates), user]),
    withUserSince: (user, candidates, position) =>
      users(withUserSince, [integerList(candidates), position, user, position]),
    async newlyEncryptedWithUser(user, candidates, position) {
      const key = await keys.nid(ENCRYPTION, '')
      if (key === null || candidates.length === 0) return []
      const before = [position, key, key, position, user, position]
      return users(newlyEncrypted, [integerList(candidates), key, key, user, ...before])
    },
    async encryptedSince(user, after, to) {
      const key = await keys.nid(ENCRYPTION, '')
      if (key === null) return []
      const rows =
        to === null
          ? await sql.all<{ room_nid: number }>(encryptedOfUser, [user, key, key, after])
          : await sql.all<{ room_nid: number }>(encryptedInLog, [after, to, user, key, key, after])
      return rows.map((row) => row.room_nid as RoomNid)
    },
    withAnyone: (candidates) => users(withAnyone, [integerList(candidates)]),
    newMemberships: (user, after) => pairs(newMemberships, [user, after]),
    loggedMemberships: (from, to) => pairs(logged, [from, to]),
    joinedAt: (room, position, candidates) =>
      candidates === undefined
        ? users(joinedAt, [room, position, position])
        : users(joinedAtOf, [integerList(candidates), room, position, position]),
    async serversWithUser(user) {
      const found = new Set((await sql.all<{ server: ServerName }>(servers, [user])).map(({ server }) => server))
      for (const row of await sql.all<{ partial: string }>(partial, [user])) {
        for (const server of (JSON.parse(row.partial) as PartialState).servers) found.add(server)
      }
      return [...found]
    },
    async arrivals(room, position) {
      return (await sql.all<{ server: ServerName }>(arrivals, [room, position])).map(({ server }) => server)
    },
    localMembers: (room) => users(localMembers, [room]),
  }
}
