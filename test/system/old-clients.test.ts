/** A client of 2015: r0 paths, the token in the query, no /sync, and the event stream instead. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Api } from '#test/system/harness/api.ts'
import { Hearth, SERVER_NAME } from '#test/system/harness/hearth.ts'

const R0 = '/_matrix/client/r0'
const e = encodeURIComponent

describe('a client of 2015', () => {
  let hearth: Hearth
  let old: OldClient
  let friend: OldClient
  let roomId: string
  before(async () => {
    hearth = await Hearth.start()
    old = await OldClient.register(hearth.url, 'old')
    friend = await OldClient.register(hearth.url, 'friend')
  })
  after(() => hearth[Symbol.asyncDispose]())

  it('logs in with the form of that time', async () => {
    const { flows } = await old.ask('GET', 'login')
    assert.ok(flows.some(({ type }: { type: string }) => type === 'm.login.password'))
    const session = await old.ask('POST', 'login', { type: 'm.login.password', user: 'old', password: 'sesame' })
    assert.equal(session.user_id, `@old:${SERVER_NAME}`)
  })

  it('makes a room, is followed by the event stream, and pages back', async () => {
    ;({ room_id: roomId } = await old.ask('POST', 'createRoom', { preset: 'public_chat', room_alias_name: 'lobby' }))
    const { end } = await friend.ask('GET', 'initialSync', undefined, 'limit=10')
    await friend.ask('POST', `join/${e(`#lobby:${SERVER_NAME}`)}`, {})
    const joining = await friend.stream(end)
    assert.ok(joining.chunk.some((event: { type: string }) => event.type === 'm.room.member'))

    // A message that is sent while the stream waits ends the wait.
    const waiting = friend.stream(joining.end, 30_000)
    const { event_id: eventId } = await old.ask('PUT', `rooms/${e(roomId)}/send/m.room.message/1`, {
      msgtype: 'm.text',
      body: 'it is 2015',
    })
    const news = await waiting
    const message = news.chunk.find((event: { type: string }) => event.type === 'm.room.message')
    assert.deepEqual([message.event_id, message.room_id], [eventId, roomId])
    assert.deepEqual((await friend.ask('GET', `events/${e(eventId)}`)).content.body, 'it is 2015')

    const state = await friend.ask('GET', 'initialSync', undefined, 'limit=2')
    const known = state.rooms.find((found: { room_id: string }) => found.room_id === roomId)
    assert.equal(known.membership, 'join')
    const back = await friend.ask(
      'GET',
      `rooms/${e(roomId)}/messages`,
      undefined,
      `dir=b&limit=50&from=${known.messages.start}`,
    )
    assert.equal(back.chunk.at(-1).type, 'm.room.create')
  })

  it('sees typing and receipts in the stream', async () => {
    const { end } = await friend.ask('GET', 'initialSync', undefined, 'limit=1')
    const typing = friend.stream(end, 30_000)
    await old.ask('PUT', `rooms/${e(roomId)}/typing/${e(`@old:${SERVER_NAME}`)}`, { typing: true, timeout: 10_000 })
    const seen = await typing
    assert.deepEqual(seen.chunk.find((event: { type: string }) => event.type === 'm.typing')?.content.user_ids, [
      `@old:${SERVER_NAME}`,
    ])
  })

  it('peeks into a room that anybody may read', async () => {
    const { room_id: open } = await old.ask('POST', 'createRoom', {
      initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: 'world_readable' } }],
    })
    const peeked = await friend.ask('GET', `rooms/${e(open)}/initialSync`, undefined, 'limit=20')
    assert.equal(peeked.room_id, open)
    assert.ok(peeked.state.some((event: { type: string }) => event.type === 'm.room.create'))
    const from = peeked.messages.end
    await old.ask('PUT', `rooms/${e(open)}/send/m.room.message/2`, { msgtype: 'm.text', body: 'look' })
    const events = await friend.ask('GET', 'events', undefined, `room_id=${e(open)}&from=${from}&timeout=5000`)
    assert.equal(events.chunk.at(-1).content.body, 'look')
  })
})

class OldClient {
  readonly #api: Api
  readonly #token: string

  private constructor(url: string, token: string) {
    this.#api = new Api(url)
    this.#token = token
  }

  static async register(url: string, username: string): Promise<OldClient> {
    const body = { username, password: 'sesame', auth: { type: 'm.login.dummy' } }
    return new OldClient(url, (await new Api(url).post(`${R0}/register`, body)).access_token)
  }

  /** The token goes in the query, as was usual. */
  ask(method: string, path: string, body?: object, query = '') {
    const url = `${R0}/${path}?access_token=${this.#token}${query === '' ? '' : `&${query}`}`
    return this.#api.ok(method, url, body === undefined ? {} : { body })
  }

  stream(from: string, timeout = 0) {
    return this.ask('GET', 'events', undefined, `from=${from}&timeout=${timeout}`)
  }
}
