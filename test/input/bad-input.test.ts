/** S47: each field of each endpoint's body with values that no client should send: never an answer of 500 or more. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import type { Endpoint } from '#kit/endpoint.ts'
import { type Hearth, startHearth } from '#test/harness/hearth.ts'
import { readEndpoints } from '#test/harness/operations.ts'

const BAD_VALUES: readonly string[] = [
  'null',
  'true',
  '-1',
  '1.5',
  '1e999',
  '9007199254740993',
  '""',
  '"\\u0000"',
  '"\\ud800"',
  `"${'x'.repeat(70_000)}"`,
  '[]',
  '[null]',
  '[[[[[[[[]]]]]]]]',
  '{}',
  '{"__proto__":{"x":1},"constructor":null}',
  '{"type":5,"session":[]}',
]
const BAD_BODIES: readonly string[] = ['', 'null', '[]', '"x"', '{', '{"a":1,"a":2}', '\ufeff{}', '[1,', '{"a":NaN}']
const BAD_PARAMS: readonly string[] = ['%00', 'x', '%F0%9F%99%82', '__proto__', '%FF', 'y'.repeat(3_000)]

const BAD_QUERIES: readonly string[] = ['', '%00', '-1', '99999999999999999999', '%7B%7D', '%FF']
/** Requests under way at the same time. */
const AT_ONCE = 32

let hearth: Hearth
before(async () => {
  hearth = await startHearth({ registration: { enabled: true, guests: true, shared_secret: 'secret' } })
})
after(() => hearth[Symbol.asyncDispose]())

/** Parameters that a request gets to the handler with. */
const params = (userId: string, deviceId: string): Record<string, string> => ({
  userId,
  deviceId,
  roomId: '!room:hearth.example',
  roomIdOrAlias: '!room:hearth.example',
  roomAlias: '#alias:hearth.example',
  eventId: '$event',
  kind: 'content',
  keyName: 'displayname',
  receiptType: 'm.read',
})

function bodiesOf(endpoint: Endpoint): string[] {
  if (endpoint.body === null) return []
  const fields = Object.keys((endpoint.body as { properties?: object }).properties ?? { anything: {} })
  const one = fields.flatMap((field) => BAD_VALUES.map((value) => `{${JSON.stringify(field)}:${value}}`))
  const all = BAD_VALUES.map((value) => `{${fields.map((field) => `${JSON.stringify(field)}:${value}`).join(',')}}`)
  return [...BAD_BODIES, ...one, ...all]
}

type Attempt = { readonly path: string; readonly body?: string }

function attempts(endpoint: Endpoint, path: string, known: Readonly<Record<string, string>>): Attempt[] {
  const fill = (name: string) => encodeURIComponent(known[name] ?? 'x')
  const to = (choose: (name: string) => string) => path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => choose(name))
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '')
  const good = to(fill)
  const badParams = names.flatMap((bad) => BAD_PARAMS.map((value) => to((name) => (name === bad ? value : fill(name)))))
  const badQueries = Object.keys(endpoint.query).flatMap((name) =>
    BAD_QUERIES.map((value) => `${good}?${name}=${value}`),
  )
  return [
    ...bodiesOf(endpoint).map((body) => ({ path: good, body })),
    ...[...badParams, ...badQueries].map((bad) => (endpoint.body === null ? { path: bad } : { path: bad, body: '{}' })),
  ]
}

async function assertHandled(endpoint: Endpoint, attempt: Attempt, token: string): Promise<void> {
  const { path, body } = attempt
  const options = endpoint.method === 'GET' || body === undefined ? { token } : { token, body }
  const reply = await hearth.request(endpoint.method, path, options)
  const what = `${endpoint.method} ${path.slice(0, 200)} ${(body ?? '').slice(0, 200)}`
  // A name that passes for another server's is asked, in vain: that failure is not ours.
  const isElsewhere = reply.status === 502 && reply.text.includes(' be asked: ')
  assert.ok(reply.status < 500 || isElsewhere, `${what} → ${reply.status} ${reply.text}\n${hearth.logged.at(-1)}`)
}

it('S47: no answer is 500 or more', async () => {
  let tried = 0
  for (const { endpoint, resource } of await readEndpoints()) {
    if (resource !== 'client') continue
    tried++
    // Each endpoint gets a user of its own, since some of them end the session.
    const { token, userId, deviceId } = await hearth.user(`u${tried}`)
    const paths = endpoint.paths.filter((path) => !path.startsWith('/_matrix/client/r0/'))
    const all = paths.flatMap((path) => attempts(endpoint, path, params(userId, deviceId)))
    for (let start = 0; start < all.length; start += AT_ONCE) {
      const some = all.slice(start, start + AT_ONCE)
      await Promise.all(some.map((attempt) => assertHandled(endpoint, attempt, token)))
    }
  }
  assert.ok(tried > 40)
})
