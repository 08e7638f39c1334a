/** The table of bad values: right requests of each operation with one value replaced, of which the verdicts are compared. */
import { Random } from '#test/system/harness/random.ts'
import { complete } from '#test/twin/generate.ts'
import { isObject } from '#test/twin/normalise.ts'
import type { Operation } from '#test/twin/operation.ts'
import type { Call } from '#test/twin/script.ts'
import { USERS, World } from '#test/twin/world.ts'

/** As JSON. */
const VALUES: readonly unknown[] = [null, true, -1, 1.5, '', 'x', [], [null], {}, 'x'.repeat(300)]
const SEGMENTS: readonly string[] = ['x', '\u0000', '@x', '!x', '#x', '$x', 'x'.repeat(300), 'ö:twin.example']
const QUERY_VALUES: readonly string[] = ['', 'x', '-1', '0', '1e3', '99999999999999999999', '{}', '[]', 'true', 't1_x']
/** Whole bodies. */
const BODIES: readonly string[] = ['', '{', 'null', '[]', '"x"', '{"a":1}x', '{"a":NaN}']
const MISSING = Symbol('missing')
/** Their requests end what the next ones need, or wait for something. */
const NOT_TRIED: readonly string[] = ['sync', 'logout']
const DRAFTS_MAX = 60

export type BadCall = { readonly call: Call; readonly what: string }

/** What they take away or change is what the next request to them needs. */
export const SPENT_BY_SUCCESS: readonly string[] = ['leaveRoom', 'kick', 'changePassword', 'deleteRoomKeysVersion']

/** Sets up what most operations are about: a room of two, with an event, and a key backup. */
export function opening(operations: ReadonlyMap<string, Operation>, world: World): Call[] {
  const row = (id: string) => operations.get(id)!
  const roomName = 'room'
  const [alice, bob] = USERS
  const room = {
    id: `<${roomName}>`,
    version: '11',
    creator: alice,
    joined: new Set([alice, bob]),
    invited: new Set<(typeof USERS)[number]>(),
    left: new Set<(typeof USERS)[number]>(),
    isOpen: true,
  }
  world.rooms.push(room)
  const event = { id: '<event>', room, sender: alice, type: 'm.room.message' }
  world.events.push(event)
  const params = { roomId: room.id }
  const body = { preset: 'public_chat', room_version: room.version }
  const text = { msgtype: 'm.text', body: 'hello' }
  const backup = { algorithm: 'm.megolm_backup.v1.curve25519-aes-sha2', auth_data: { public_key: 'abcdefg' } }
  const sending = { ...params, eventType: event.type, txnId: 'first' }
  return [
    complete(row('createRoom'), { as: 'alice 1', body, binds: { [roomName]: ['room_id'] } }, ''),
    complete(row('joinRoomById'), { as: 'bob 1', params, body: {} }, ''),
    complete(row('sendMessage'), { as: 'alice 1', params: sending, body: text, binds: { event: ['event_id'] } }, ''),
    complete(
      row('postRoomKeysVersion'),
      { as: 'alice 1', body: backup, binds: { [`backup ${alice}`]: ['version'] } },
      '',
    ),
  ]
}

/** All bad requests to one operation, for a world that `opening` set up. */
export function badCallsOf(operation: Operation, world: World): BadCall[] {
  if (NOT_TRIED.includes(operation.id)) return []
  const good = richestCall(operation, world)
  return good === null ? [] : [...badParams(good), ...badQueries(good), ...badBodies(good)]
}

export function newWorld(): World {
  return new World(new Random(1))
}

/** The request with the most to spoil among a few right ones. */
function richestCall(operation: Operation, world: World): Call | null {
  const calls: Call[] = []
  for (let i = 0; i < DRAFTS_MAX; i++) {
    const rooms = world.rooms.length
    const draft = operation.draft(world)
    // What these drafts would have made isn't there.
    world.rooms.length = rooms
    world.events.length = 1
    if (world.takeOddities() === '' && draft !== null) calls.push(complete(operation, { ...draft, binds: {} }, ''))
  }
  const richness = ({ query, body, as }: Call) =>
    Object.keys(query).length +
    (isObject(body) ? Object.keys(body).length : 0) +
    (as?.startsWith('alice') ? 10 : 0) +
    // A name that is free.
    (JSON.stringify({ query, body }).includes('<tag>') ? 10 : 0)
  return calls.sort((a, b) => richness(b) - richness(a))[0] ?? null
}

function badParams(good: Call): BadCall[] {
  return Object.keys(good.params).flatMap((name) =>
    SEGMENTS.map((value) => ({
      call: { ...good, params: { ...good.params, [name]: value } },
      what: `path ${name} ${shown(value)}`,
    })),
  )
}

function badQueries(good: Call): BadCall[] {
  return Object.keys(good.query).flatMap((name) =>
    QUERY_VALUES.map((value) => ({
      call: { ...good, query: { ...good.query, [name]: value } },
      what: `query ${name} ${shown(value)}`,
    })),
  )
}

function badBodies(good: Call): BadCall[] {
  if (good.method === 'GET') return []
  const whole = BODIES.map((raw) => ({ call: { ...good, raw }, what: `body ${raw === '' ? '(none)' : raw}` }))
  const { body } = good
  if (!isObject(body)) return whole
  const single = placesIn(body).flatMap((at) =>
    [MISSING, ...VALUES].map((value) => ({
      call: { ...good, body: replaced(body, at, value) },
      what: `body ${at.join('.')} ${value === MISSING ? '(missing)' : shown(value)}`,
    })),
  )
  return [...whole, ...single]
}

function placesIn(body: Record<string, unknown>): (readonly string[])[] {
  return Object.entries(body).flatMap(([key, inner]) => [
    [key],
    ...(isObject(inner) ? Object.keys(inner).map((below) => [key, below]) : []),
  ])
}

function replaced(body: Record<string, unknown>, at: readonly string[], value: unknown): Record<string, unknown> {
  const [key = '', ...below] = at
  if (below.length > 0) return { ...body, [key]: replaced(body[key] as Record<string, unknown>, below, value) }
  if (value !== MISSING) return { ...body, [key]: value }
  return Object.fromEntries(Object.entries(body).filter(([name]) => name !== key))
}

function shown(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > 40 ? `(${text.length} characters)` : text
}
