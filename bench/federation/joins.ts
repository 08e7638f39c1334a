/** A user joins a room of many members by way of a server that serves it. */
import { BigRoom } from '#test/federation/harness/big-room.ts'
import type { TestCa } from '#test/federation/harness/test-ca.ts'
import { HostileServer } from '#test/federation/hostile-server.ts'
import { Api, V3 } from '#test/system/harness/api.ts'
import { MeasuredHearth } from './measured-hearth.ts'
import type { Slices } from './slices.ts'

/** As clients ask. */
const LAZILY = JSON.stringify({ room: { state: { lazy_load_members: true } } })
const e = encodeURIComponent

export type JoinFigures = {
  readonly members: number
  /** Whether the server left the members out of its answer to the join. */
  readonly partial: boolean
  readonly joinedMs: number
  /** From the client's request to join until a message has been read and another one sent. */
  readonly firstMessageMs: number
  /** Until all members are known. */
  readonly completeMs: number
  readonly residentBeforeMib: number
  readonly peakMib: number
  readonly slices: Slices
}

/** Joins once, on a server that has just started. */
export async function measureJoin(ca: TestCa, members: number, partial: boolean): Promise<JoinFigures> {
  await using resident = await HostileServer.start('resident.example', ca)
  const room = new BigRoom(resident, { members, omitsMembers: partial })
  await using hearth = await MeasuredHearth.start(ca, [resident])
  const alice = await new Api(hearth.url).register('alice')
  // The first connection of a process takes longer, once.
  await resident.get(hearth, `/_matrix/federation/v1/query/profile?user_id=${e(alice.userId)}`)
  const residentBeforeMib = hearth.residentMib
  hearth.forgetPeak()
  await hearth.slices()
  const began = performance.now()
  const since = () => performance.now() - began
  await alice.post(`${V3}/join/${e(room.roomId)}?via=${resident.serverName}`)
  const joinedMs = since()
  const news = room.remote.send({ msgtype: 'm.text', body: 'news' }, room.user(members - 1))
  const delivered = resident.send(hearth, [news.json])
  await alice.put(`${V3}/rooms/${e(room.roomId)}/send/m.room.message/1`, { msgtype: 'm.text', body: 'hello' })
  for (let token: string | undefined; ; ) {
    const query = { timeout: 10_000, filter: LAZILY, ...(token === undefined ? {} : { since: token }) }
    const answer = await alice.get(`${V3}/sync`, query)
    token = answer.next_batch as string
    const events = answer.rooms?.join?.[room.roomId]?.timeline?.events ?? []
    if (events.some((event: { event_id: string }) => event.event_id === news.eventId)) break
  }
  const firstMessageMs = since()
  await delivered
  const { joined } = await alice.get(`${V3}/rooms/${e(room.roomId)}/joined_members`)
  const completeMs = since()
  const known = Object.keys(joined).length
  if (known !== members + 1) throw new Error(`${known} members are known of ${members + 1}`)
  return {
    members,
    partial,
    joinedMs,
    firstMessageMs,
    completeMs,
    residentBeforeMib,
    peakMib: hearth.peakMib,
    slices: await hearth.slices(),
  }
}
