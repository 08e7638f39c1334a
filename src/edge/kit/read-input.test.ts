/** What of a client's body is taken as left out, and what isn't an object though it looks like one. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type TProperties, Type } from 'typebox'
import { type Auth, endpoint } from '#kit/endpoint.ts'
import { inputReader } from '#kit/read-input.ts'
import { tJson, tJsonObject } from '#kit/schemas.ts'

function read(properties: TProperties, text: string, auth: Auth = 'user'): Promise<unknown> {
  const body = Type.Object(properties)
  const path = '/_matrix/client/v3/x'
  const contract = { spec: null, method: 'POST', path, auth, rateLimit: false, body, numbers: 'lossless' } as const
  return inputReader(endpoint({ ...contract, handle: () => ({}) })).body(Buffer.from(text))
}

const BAD_JSON = { errcode: 'M_BAD_JSON' }
const optionalText = Type.Optional(Type.String())

describe('null of a member that may be absent', () => {
  it('counts as absent', async () => {
    assert.deepEqual(await read({ reason: optionalText }, '{"reason":null,"other":null}'), { other: null })
  })

  it('counts as absent below other members and in lists', async () => {
    const item = Type.Object({ key: optionalText })
    const properties = { filter: item, list: Type.Optional(Type.Array(item)) }
    assert.deepEqual(await read(properties, '{"filter":{"key":null},"list":[{"key":null},{"key":"k"}]}'), {
      filter: {},
      list: [{}, { key: 'k' }],
    })
  })

  it('stays where null is a value of its own, and within content', async () => {
    const properties = { status: Type.Optional(Type.Union([Type.String(), Type.Null()])), any: Type.Optional(tJson) }
    const text = '{"status":null,"any":null}'
    assert.deepEqual(await read(properties, text), { status: null, any: null })
    assert.deepEqual(await read({ content: tJsonObject }, '{"content":{"a":null}}'), { content: { a: null } })
  })

  it('is refused where the member must be there, within a list, and from another server', async () => {
    await assert.rejects(read({ name: Type.String() }, '{"name":null}'), BAD_JSON)
    await assert.rejects(read({ list: Type.Array(Type.Object({})) }, '{"list":[null]}'), BAD_JSON)
    await assert.rejects(read({ reason: optionalText }, '{"reason":null}', 'server'), BAD_JSON)
  })
})

describe('a number that is kept by its text', () => {
  it("isn't an object without members", async () => {
    await assert.rejects(read({ reason: optionalText }, '1.5'), BAD_JSON)
    await assert.rejects(read({ inner: Type.Optional(Type.Object({})) }, '{"inner":1.5}'), BAD_JSON)
  })
})
