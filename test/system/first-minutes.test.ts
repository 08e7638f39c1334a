/** What a family does in its first minutes, from one address and with the built-in limits: nothing of it is refused. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Api, V3 } from '#test/system/harness/api.ts'
import { Hearth } from '#test/system/harness/hearth.ts'

const PEOPLE = ['ann', 'ben', 'cid', 'dora', 'emil', 'fay']
const DEVICES = ['phone', 'laptop', 'browser']
const ROOMS = 12
const MESSAGES = 30

describe('the first minutes with the built-in limits', () => {
  let hearth: Hearth
  const devices = new Map<string, Api[]>()
  const phoneOf = (name: string) => devices.get(name)?.[0] ?? assert.fail(name)
  before(async () => {
    hearth = await Hearth.start({ config: { rate_limits: {} } })
  })
  after(async () => {
    await hearth[Symbol.asyncDispose]()
  })

  it('everybody registers, and logs in on three devices', async () => {
    for (const name of PEOPLE) {
      const api = new Api(hearth.url)
      const password = `password of ${name}`
      const wish = { username: name, password, auth: { type: 'm.login.dummy' }, inhibit_login: true }
      assert.equal((await api.request('POST', `${V3}/register`, { body: wish })).status, 200, name)
      const sessions: Api[] = []
      for (const device of DEVICES) {
        const body = {
          type: 'm.login.password',
          identifier: { type: 'm.id.user', user: name },
          password,
          device_id: device,
        }
        const answer = await api.request('POST', `${V3}/login`, { body })
        assert.equal(answer.status, 200, `${name}, ${device}: ${JSON.stringify(answer.body)}`)
        sessions.push(new Api(hearth.url, answer.body))
      }
      devices.set(name, sessions)
    }
  })

  it('someone who mistypes a password twice gets in', async () => {
    for (const [password, status] of [
      ['passwort of ann', 403],
      ['password of anm', 403],
      ['password of ann', 200],
    ] as const) {
      const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'ann' }, password }
      assert.equal((await new Api(hearth.url).request('POST', `${V3}/login`, { body })).status, status)
    }
  })

  it('one of them creates rooms and invites everybody to all, and all join', async () => {
    const ann = phoneOf('ann')
    const others = PEOPLE.slice(1)
    for (let i = 0; i < ROOMS; i++) {
      const roomId = await ann.createRoom({ name: `Room ${i}`, invite: others.map((name) => phoneOf(name).userId) })
      for (const name of others) await phoneOf(name).post(`${V3}/join/${encodeURIComponent(roomId)}`, {})
      await ann.put(`${V3}/rooms/${encodeURIComponent(roomId)}/typing/${encodeURIComponent(ann.userId)}`, {
        typing: true,
        timeout: 5_000,
      })
    }
  })

  it('they talk, react and look around', async () => {
    for (const name of PEOPLE) {
      const api = phoneOf(name)
      await api.put(`${V3}/presence/${encodeURIComponent(api.userId)}/status`, { presence: 'online' })
      await api.get(`${V3}/sync`)
      const { joined_rooms: rooms } = await api.get(`${V3}/joined_rooms`)
      for (let i = 0; i < MESSAGES; i++) {
        await api.put(`${V3}/rooms/${encodeURIComponent(rooms[0])}/send/m.room.message/${i}`, {
          msgtype: 'm.text',
          body: `${i}`,
        })
      }
      await api.put(`${V3}/profile/${encodeURIComponent(api.userId)}/displayname`, { displayname: name })
    }
  })
})
