/** Account data, tags and filters over real HTTP. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { TAGS_MAX } from '#services/account-data/account-data.ts'
import { type Hearth, type Reply, startHearth, type TestUser } from '#test/harness/hearth.ts'
import { assertMatchesSpec } from '#test/schema-check.ts'

const ROOM = encodeURIComponent('!room:hearth.example')

function assertError(reply: Reply, status: number, errcode: string): void {
  assert.deepEqual([reply.status, reply.body?.errcode], [status, errcode], reply.text)
}

let hearth: Hearth
let user: TestUser
let other: TestUser

before(async () => {
  hearth = await startHearth()
  user = await hearth.user('alice')
  other = await hearth.user('bob')
})
after(() => hearth[Symbol.asyncDispose]())

const own = (path: string) => `/user/${user.userId}${path}`
const put = (path: string, body: unknown, token = user.token) => hearth.request('PUT', own(path), { token, body })
const get = (path: string, token = user.token) => hearth.request('GET', own(path), { token })

describe('account data', () => {
  for (const [where, spec, prefix] of [
    ['of the account', 'AccountData', '/account_data'],
    ['of a room', 'AccountDataPerRoom', `/rooms/${ROOM}/account_data`],
  ] as const) {
    it(`${where} is kept as it came`, async () => {
      const path = `${prefix}/org.example.type`
      assertError(await get(path), 404, 'M_NOT_FOUND')
      const text = '{"__proto__":{"x":1},"constructor":0.5,"nul":"\\u0000","10":1,"9":2}'
      const reply = await put(path, text)
      assertMatchesSpec(`set${spec}`, reply.status, reply.body)
      const shown = await get(path)
      assertMatchesSpec(`get${spec}`, shown.status, shown.body)
      assert.deepEqual(shown.body, JSON.parse(text))
      assert.equal((await put(path, {})).status, 200)
      assert.deepEqual((await get(path)).body, {})
    })

    it(`${where} keeps numbers letter for letter`, async () => {
      const text = '{"big":9007199254740993,"float":1.0,"exponent":1e3,"zero":-0,"deep":[{"n":-12345678901234567890}]}'
      const type = `org.example.numbers.${spec}`
      assert.equal((await put(`${prefix}/${type}`, text)).status, 200)
      assert.equal((await get(`${prefix}/${type}`)).text, text)
      const { text: sync } = await hearth.request('GET', '/sync', { token: user.token })
      const events = JSON.stringify({ type, content: 0 }).replace(':0', `:${text}`)
      // Data of a room that the user isn't in is not shown there.
      assert.equal(sync.includes(events), prefix === '/account_data')
    })

    it(`${where} is private`, async () => {
      const path = `${prefix}/org.example.type`
      assertError(await put(path, {}, other.token), 403, 'M_FORBIDDEN')
      assertError(await get(path, other.token), 403, 'M_FORBIDDEN')
    })

    it(`${where} of the server’s types can be read but not set`, async () => {
      for (const type of ['m.fully_read', 'm.push_rules']) {
        assertError(await put(`${prefix}/${type}`, {}), 405, 'M_BAD_JSON')
      }
    })

    it(`${where} is an object, under a type of at most 255 bytes`, async () => {
      for (const body of ['[]', '"x"', 'null', '5']) assertError(await put(`${prefix}/t`, body), 400, 'M_BAD_JSON')
      assertError(await put(`${prefix}/t`, '{"a":}'), 400, 'M_NOT_JSON')
      assertError(await put(`${prefix}/t`, ''), 400, 'M_NOT_JSON')
      assert.equal((await put(`${prefix}/${'t'.repeat(255)}`, {})).status, 200)
      assertError(await put(`${prefix}/${'t'.repeat(256)}`, {}), 400, 'M_INVALID_PARAM')
      assertError(await put(`${prefix}/a%00b`, {}), 400, 'M_INVALID_PARAM')
    })
  }

  it('push rules are there from the start', async () => {
    const { body } = await get('/account_data/m.push_rules')
    assert.equal(body.global.override[0].rule_id, '.m.rule.master')
  })

  it('a room must have a room’s id', async () => {
    assertError(await put('/rooms/@alice:hearth.example/account_data/t', {}), 400, 'M_INVALID_PARAM')
  })
})

describe('tags', () => {
  const tags = `/rooms/${ROOM}/tags`

  it('are set, listed and removed one by one', async () => {
    assert.deepEqual((await get(tags)).body, { tags: {} })
    const reply = await put(`${tags}/m.favourite`, { order: 0.25, 'org.example.more': [1] })
    assertMatchesSpec('setRoomTag', reply.status, reply.body)
    assert.equal((await put(`${tags}/__proto__`, {})).status, 200)
    const list = await get(tags)
    assertMatchesSpec('getRoomTags', list.status, list.body)
    const expected = JSON.parse('{"m.favourite":{"order":0.25,"org.example.more":[1]},"__proto__":{}}')
    assert.deepEqual(list.body.tags, expected)
    assert.deepEqual((await get(`/rooms/${ROOM}/account_data/m.tag`)).body, list.body)
    const removed = await hearth.request('DELETE', own(`${tags}/m.favourite`), { token: user.token })
    assertMatchesSpec('deleteRoomTag', removed.status, removed.body)
    assert.deepEqual(Object.keys((await get(tags)).body.tags), ['__proto__'])
    assert.equal((await hearth.request('DELETE', own(`${tags}/u.unknown`), { token: user.token })).status, 200)
  })

  it('are checked', async () => {
    assertError(await put(`${tags}/u.x`, { order: 2 }), 400, 'M_BAD_JSON')
    assertError(await put(`${tags}/u.x`, { order: 'first' }), 400, 'M_BAD_JSON')
    assert.equal((await put(`${tags}/${'x'.repeat(255)}`, {})).status, 200)
    assertError(await put(`${tags}/${'x'.repeat(256)}`, {}), 400, 'M_INVALID_PARAM')
    assertError(await put(`${tags}/u.x`, {}, other.token), 403, 'M_FORBIDDEN')
  })

  it('survive account data of another shape', async () => {
    for (const content of [{ tags: null }, { tags: [] }, { tags: 5 }, {}]) {
      await put(`/rooms/${ROOM}/account_data/m.tag`, content)
      assert.deepEqual((await get(tags)).body, { tags: {} })
      assert.equal((await put(`${tags}/u.x`, {})).status, 200)
    }
  })

  it('are limited in number', async () => {
    const many = Object.fromEntries(Array.from({ length: TAGS_MAX }, (_, index) => [`u.${index}`, {}]))
    await put(`/rooms/${ROOM}/account_data/m.tag`, { tags: many })
    assertError(await put(`${tags}/u.more`, {}), 413, 'M_TOO_LARGE')
    assert.equal((await put(`${tags}/u.0`, { order: 1 })).status, 200)
  })
})

describe('filters', () => {
  const define = (body: unknown, token = user.token) => hearth.request('POST', own('/filter'), { token, body })

  it('are kept as they came, and the same one keeps its id', async () => {
    const filter = { room: { timeline: { limit: 10 } }, event_fields: ['type'], 'org.example.unknown': { x: 1 } }
    const reply = await define(filter)
    assertMatchesSpec('defineFilter', reply.status, reply.body)
    assert.equal((await define(filter)).body.filter_id, reply.body.filter_id)
    const shown = await get(`/filter/${reply.body.filter_id}`)
    assertMatchesSpec('getFilter', shown.status, shown.body)
    assert.deepEqual(shown.body, filter)
    assert.notEqual((await define({})).body.filter_id, reply.body.filter_id)
  })

  it('of others and unknown ones are not found', async () => {
    const { filter_id } = (await define({})).body
    assertError(await get(`/filter/${filter_id}`, other.token), 403, 'M_FORBIDDEN')
    for (const id of ['999', '0', '-1', '1.5', '1e1', 'x', '9999999999999999999999']) {
      assertError(await get(`/filter/${id}`), 404, 'M_NOT_FOUND')
    }
  })

  it('are checked', async () => {
    assertError(await define({ room: 5 }), 400, 'M_BAD_JSON')
    assertError(await define({ room: { timeline: { limit: 'many' } } }), 400, 'M_BAD_JSON')
    assertError(await define([]), 400, 'M_BAD_JSON')
    assertError(await define({ x: 'y'.repeat(70_000) }), 413, 'M_TOO_LARGE')
    assertError(await define({}, other.token), 403, 'M_FORBIDDEN')
  })
})
