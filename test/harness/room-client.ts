/** What tests of rooms do over HTTP, in few words. */
import assert from 'node:assert/strict'
import type { Hearth, Reply, TestUser } from '#test/harness/hearth.ts'
import { assertMatchesSpec } from '#test/schema-check.ts'

export class RoomClient {
  readonly userId: string
  readonly token: string
  readonly #hearth: Hearth
  #transactions = 0

  constructor(hearth: Hearth, user: TestUser) {
    this.#hearth = hearth
    this.userId = user.userId
    this.token = user.token
  }

  /** Any answer. */
  request(method: string, path: string, body?: unknown): Promise<Reply> {
    return this.#hearth.request(method, path, { token: this.token, ...(body === undefined ? {} : { body }) })
  }

  /** The body of a 200 that fits the operation's schema. */
  async get(operation: string, path: string): Promise<Reply['body']> {
    return this.#checked(operation, await this.request('GET', path))
  }

  async do(operation: string, method: string, path: string, body: unknown = {}): Promise<Reply['body']> {
    return this.#checked(operation, await this.request(method, path, body))
  }

  async createRoom(body: object = {}): Promise<string> {
    return (await this.do('createRoom', 'POST', '/createRoom', body)).room_id
  }

  async send(roomId: string, content: object = { msgtype: 'm.text', body: 'hello' }, type = 'm.room.message') {
    this.#transactions += 1
    const path = `/rooms/${roomId}/send/${type}/t${this.#transactions}`
    return (await this.do('sendMessage', 'PUT', path, content)).event_id as string
  }

  async setState(roomId: string, type: string, content: object, stateKey = '') {
    const path = `/rooms/${roomId}/state/${type}/${encodeURIComponent(stateKey)}`
    return (await this.do('setRoomStateWithKey', 'PUT', path, content)).event_id as string
  }

  invite(roomId: string, user: { userId: string }) {
    return this.do('inviteUser', 'POST', `/rooms/${roomId}/invite`, { user_id: user.userId })
  }

  join(roomId: string) {
    return this.do('joinRoomById', 'POST', `/rooms/${roomId}/join`)
  }

  leave(roomId: string) {
    return this.do('leaveRoom', 'POST', `/rooms/${roomId}/leave`)
  }

  ban(roomId: string, user: { userId: string }) {
    return this.do('ban', 'POST', `/rooms/${roomId}/ban`, { user_id: user.userId })
  }

  #checked(operation: string, { status, body }: Reply): Reply['body'] {
    assert.equal(status, 200, `${operation}: ${JSON.stringify(body)}`)
    assertMatchesSpec(operation, status, body)
    return body
  }
}
