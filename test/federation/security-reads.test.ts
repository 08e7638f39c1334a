/** S30 over the wire: what each kind of server gets for each question about a private room, by its history's visibility. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { eventIdOf } from '#core/event/hash.ts'
import { addEventSignature, hashAndSignEvent } from '#core/event/sign.ts'
import type { JsonObject } from '#core/json/value.ts'
import { ROOM_VERSIONS, type RoomVersionRules } from '#core/room-versions.ts'
import { TestCa } from '#test/federation/harness/test-ca.ts'
import { TlsHearth } from '#test/federation/harness/tls-hearth.ts'
import { HostileServer, type Reply } from '#test/federation/hostile-server.ts'
import type { Api } from '#test/system/harness/api.ts'
import { freePort } from '#test/system/harness/free-port.ts'

const e = encodeURIComponent
const F = '/_matrix/federation'
const RULES = ROOM_VERSIONS.get('11') as RoomVersionRules

const KINDS = ['member', 'former', 'invited', 'outsider', 'denied'] as const
type Kind = (typeof KINDS)[number]

const opened = new AsyncDisposableStack()
const servers = new Map<Kind, HostileServer>()
let hearth: TlsHearth
let alice: Api
before(async () => {
  const ca = opened.use(new TestCa())
  const others: Record<string, string> = {}
  for (const kind of KINDS) {
    const server = opened.use(await HostileServer.start(`${kind}.example`, ca))
    server.on('PUT', '/v2/invite/', ({ body }) => {
      return { status: 200, body: { event: addEventSignature(body.event, RULES, server.signer) } }
    })
    servers.set(kind, server)
    others[server.serverName] = server.federationAddress
  }
  hearth = opened.use(
    await TlsHearth.start({ serverName: 'hearth.example', ca, federationPort: await freePort(), others }),
  )
  alice = await hearth.user('alice')
})
after(() => opened[Symbol.asyncDispose]())

const serverOf = (kind: Kind) => servers.get(kind) as HostileServer
const userOf = (kind: Kind) => serverOf(kind).user('user')
const get = (kind: Kind, path: string) => serverOf(kind).get(hearth, F + path)

async function handshake(kind: Kind, roomId: string, action: 'join' | 'leave'): Promise<void> {
  const { body } = await get(kind, `/v1/make_${action}/${e(roomId)}/${e(userOf(kind))}?ver=11`)
  const event = hashAndSignEvent(body.event, RULES, serverOf(kind).signer)
  const uri = `${F}/v2/send_${action}/${e(roomId)}/${e(eventIdOf(event, RULES))}`
  const reply = await serverOf(kind).put(hearth, uri, event)
  assert.equal(reply.status, 200, JSON.stringify(reply.body))
}

type Story = {
  readonly roomId: string
  /** Sent while member, former and denied were in the room. */
  readonly early: string
  /** Sent since. */
  readonly late: string
}

async function story(visibility: string): Promise<Story> {
  const initial_state = [
    { type: 'm.room.history_visibility', state_key: '', content: { history_visibility: visibility } },
  ]
  const roomId = await alice.createRoom({ preset: 'private_chat', room_version: '11', initial_state })
  for (const kind of ['member', 'former', 'denied'] as const) {
    await alice.invite(roomId, userOf(kind))
    await handshake(kind, roomId, 'join')
  }
  const early = await alice.send(roomId, 'early')
  await handshake('former', roomId, 'leave')
  await alice.state(roomId, 'm.room.server_acl', { allow: ['*'], deny: ['denied.example'] })
  await alice.invite(roomId, userOf('invited'))
  const late = await alice.send(roomId, 'late')
  return { roomId, early, late }
}

/** The error code, or what is shown of the event asked for; `ok` for questions about something else. */
function outcome({ status, body }: Reply, eventId?: string): string {
  if (status !== 200) return `${status} ${body.errcode}`
  if (eventId === undefined) return 'ok'
  const pdus: JsonObject[] = body.pdus ?? body.events
  const pdu = pdus.find((json) => eventIdOf(json, RULES) === eventId)
  if (pdu === undefined) return 'absent'
  return Object.hasOwn(pdu['content'] as object, 'body') ? 'full' : 'redacted'
}

async function outcomes(kind: Kind, { roomId, early, late }: Story): Promise<Record<string, string>> {
  const at = async (eventId: string) => {
    const inRoom = `${e(roomId)}?event_id=${e(eventId)}`
    const body = { earliest_events: [], latest_events: [eventId], limit: 20 }
    const missing = `${F}/v1/get_missing_events/${e(roomId)}`
    const found: Record<string, string> = {
      event: outcome(await get(kind, `/v1/event/${e(eventId)}`), eventId),
      backfill: outcome(await get(kind, `/v1/backfill/${e(roomId)}?v=${e(eventId)}&limit=1`), eventId),
      get_missing_events: outcome(await serverOf(kind).request(hearth, 'POST', missing, body)),
      state: outcome(await get(kind, `/v1/state/${inRoom}`)),
      state_ids: outcome(await get(kind, `/v1/state_ids/${inRoom}`)),
      event_auth: outcome(await get(kind, `/v1/event_auth/${e(roomId)}/${e(eventId)}`)),
    }
    return found
  }
  const [then, now] = [await at(early), await at(late)]
  const both = Object.fromEntries(Object.keys(then).map((what) => [what, `${then[what]}, ${now[what]}`]))
  const make = (action: string) => get(kind, `/v1/make_${action}/${e(roomId)}/${e(userOf(kind))}?ver=11`)
  return {
    ...both,
    timestamp_to_event: outcome(await get(kind, `/v1/timestamp_to_event/${e(roomId)}?ts=1&dir=f`)),
    hierarchy: outcome(await get(kind, `/v1/hierarchy/${e(roomId)}`)),
    make_join: outcome(await make('join')),
    make_leave: outcome(await make('leave')),
    make_knock: outcome(await make('knock')),
  }
}

const NO = '403 M_FORBIDDEN'
const UNKNOWN = '404 M_NOT_FOUND'

/** What is asked about an event, [early, late]: as a read of the event itself, and of what is kept with it. */
type Row = {
  readonly events: readonly [string, string]
  readonly states: readonly [string, string]
  readonly time: string
  readonly hierarchy: string
  readonly join: string
  readonly leave: string
}

const MEMBER: Row = {
  events: ['full', 'full'],
  states: ['ok', 'ok'],
  time: 'ok',
  hierarchy: 'ok',
  join: 'ok',
  leave: 'ok',
}
const NOBODY: Row = { events: [NO, NO], states: [NO, NO], time: NO, hierarchy: UNKNOWN, join: NO, leave: NO }
const FORMER: Row = { ...NOBODY, events: ['full', NO], states: ['ok', NO], time: 'ok' }
const INVITED: Row = { ...NOBODY, time: UNKNOWN, hierarchy: 'ok', join: 'ok', leave: 'ok' }
const DENIED: Row = { ...NOBODY, hierarchy: NO }
const CLOSED = { member: MEMBER, former: FORMER, invited: INVITED, outsider: NOBODY, denied: DENIED }
const READER: Row = { ...MEMBER, join: NO, leave: NO }

const EXPECTED: Readonly<Record<string, Readonly<Record<Kind, Row>>>> = {
  shared: CLOSED,
  joined: CLOSED,
  invited: { ...CLOSED, invited: { ...INVITED, events: [NO, 'full'], time: 'ok' } },
  world_readable: { member: MEMBER, former: READER, invited: MEMBER, outsider: READER, denied: DENIED },
}

function expected({ events, states, time, hierarchy, join, leave }: Row): Record<string, string> {
  const [event, state] = [events.join(', '), states.join(', ')]
  return {
    event,
    backfill: event,
    get_missing_events: event.replaceAll('full', 'ok'),
    state,
    state_ids: state,
    event_auth: state,
    timestamp_to_event: time,
    hierarchy,
    make_join: join,
    make_leave: leave,
    // The room takes no knocks, of anybody.
    make_knock: NO,
  }
}

describe('S30: servers get what they may', () => {
  for (const [visibility, rows] of Object.entries(EXPECTED)) {
    it(`of a private room with ${visibility} history`, async () => {
      const told = await story(visibility)
      for (const kind of KINDS) assert.deepEqual(await outcomes(kind, told), expected(rows[kind]), kind)
    })
  }

  it('of a room that is not here: no more than of one that they may not know of', async () => {
    const nowhere = { roomId: '!nowhere:hearth.example', early: `$${'x'.repeat(43)}`, late: `$${'y'.repeat(43)}` }
    const found = await outcomes('outsider', nowhere)
    const { event, make_join, make_leave, make_knock, ...rest } = found
    const { event: _event, make_join: _join, make_leave: _leave, make_knock: _knock, ...refused } = expected(NOBODY)
    assert.deepEqual(rest, refused)
    // Which rooms a server is in is no secret: others must be able to ask elsewhere.
    assert.deepEqual([event, make_join, make_leave, make_knock], [`${UNKNOWN}, ${UNKNOWN}`, UNKNOWN, UNKNOWN, UNKNOWN])
  })
})
